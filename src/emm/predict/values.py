"""The values of a raw column of new rows in the type in which training read them."""

from collections.abc import Mapping

import polars as pl

from emm.data.custom.columns import as_bag, as_dense, as_sparse, cast_time
from emm.data.custom.dates import DateFeatures
from emm.data.custom.numbers import Notation
from emm.data.custom.read_files import as_null
from emm.data.tables.inputs import DENSE, SPARSE, Input, Inputs, TextForm, ValueType
from emm.data.tables.kinds import INTEGER, NUMBER, TEXT, RawKind
from emm.data.tables.names import stored_name
from emm.predict.conversions import CONVERSIONS, Known, Read, refused, to_text, to_whole


def clean(column: pl.Series, given: Input, text: TextForm | None, *, trims: bool) -> pl.Series:
    """The values without blanks around text; null where they stand for a missing one."""
    dtype = column.dtype
    if isinstance(dtype, pl.Categorical | pl.Enum):
        column = column.cast(pl.String)
    elif dtype.is_decimal():
        column = column.cast(pl.Float64)
    frame, value = column.to_frame(), pl.col(column.name)
    if column.dtype == pl.String and trims:
        frame = frame.select(value.str.strip_chars())
        frame = frame.select(pl.when(value != "").then(value))
    if text is None:
        floats = column.dtype.is_float()
        return frame.select(value.fill_nan(None)).to_series() if floats else frame.to_series()
    frame = frame.select(as_null(frame.to_series(), text.missing))
    if column.dtype == pl.String and given.name in text.numbers:
        frame = frame.select(Notation(text.decimal, text.thousands).plain(value))
    return frame.to_series()


def dense_values(column: pl.Series, given: Input, *, custom: bool) -> Read:
    """The numbers of a dense column, and where a value is none."""
    if column.dtype.is_temporal() or not _is_plain(column.dtype):
        raise refused(given, column.dtype, "numbers")
    if custom:
        column = column.to_frame().select(as_dense(column).alias(column.name)).to_series()
    if given.time is not None and column.dtype == pl.String:
        column = column.to_frame().select(cast_time(pl.col(column.name), given.time)).to_series()
    numbers = column.cast(pl.Float64, strict=False)
    if given.type == "single":  # what training read has this precision
        numbers = numbers.cast(pl.Float32).cast(pl.Float64)
    return numbers, column.is_not_null() & numbers.is_infinite().fill_null(value=True)


def sparse_values(column: pl.Series, given: Input, known: Known, *, custom: bool) -> Read:
    """The values of a sparse column as they are in its vocabulary ``known``: text, or numbers.

    The second result: where a value isn't of the column's type.
    """
    if not (_is_plain(column.dtype) or column.dtype.is_temporal()):
        raise refused(given, column.dtype, "text or numbers")
    values, bad = CONVERSIONS[given.type](column, given, known)
    if given.time is not None:
        return values.to_frame().select(cast_time(pl.col(values.name), given.time)).to_series(), bad
    if custom:
        values = values.to_frame().select(as_sparse(values).alias(values.name)).to_series()
    return values, bad


def date_values(column: pl.Series, given: Input) -> tuple[dict[str, pl.Series], pl.Series]:
    """The features of a column of dates by their stored names, and where a value is no date."""
    dtype = column.dtype
    if dtype == pl.Null:
        column = column.cast(pl.String)
    fits = dtype == pl.Time if not given.dated else dtype in (pl.String, pl.Date, pl.Datetime)
    if not fits and dtype != pl.Null:
        raise refused(given, dtype, "dates" if given.dated else "times of the day")
    frame = column.to_frame()
    features = DateFeatures(frame.columns[0], frame.dtypes[0], given.dated, given.timed)
    found = frame.select(each.alias(name) for name, each in features.expressions().items())
    invalid = frame.select(features.invalid().alias("invalid")).to_series()
    return {each.name: each for each in found}, _long(invalid, len(column))


def bag_values(column: pl.Series, given: Input) -> pl.Series:
    """The values of a multi-valued column: lists of text."""
    dtype, separator = column.dtype, given.separator
    if dtype == pl.Null:
        return pl.Series(column.name, [None] * len(column), pl.List(pl.String))
    is_text = dtype == pl.String and separator is not None
    if not is_text and not isinstance(dtype, pl.List):
        raise refused(given, dtype, "lists" if separator is None else "text or lists")
    if isinstance(dtype, pl.List) and dtype.inner.is_float() and given.type not in _FLOATS:
        raise refused(given, dtype, f"lists of {_TYPES.get(given.type, given.type)}")
    return column.to_frame().select(as_bag(column, separator or "").alias(column.name)).to_series()


def raw_values(column: pl.Series, name: str, kind: RawKind, inputs: Inputs) -> Read:
    """The values of a raw column as preprocess.raw keeps them, and where one isn't of its kind."""
    unused = Input(name, DENSE if kind == NUMBER else SPARSE, kind)
    given = next((each for each in inputs.columns if each.name == name), unused)
    column = clean(column.rename(stored_name(name)), given, inputs.text, trims=inputs.trims)
    if kind == NUMBER:
        values, bad = dense_values(column, given, custom=inputs.text is not None)
    elif kind == INTEGER:
        values, bad = to_whole(column, given, _NOTHING)
    else:
        whole = column.dtype.is_temporal()
        values, bad = (column.cast(pl.String), None) if whole else to_text(column, given, _NOTHING)
    return values.rename(name), bad


def _is_plain(dtype: pl.DataType) -> bool:
    return dtype.is_numeric() or dtype in (pl.String, pl.Boolean, pl.Null)


def _long(series: pl.Series, rows: int) -> pl.Series:
    return series if len(series) == rows else pl.repeat(series[0], rows, eager=True)


KINDS: Mapping[RawKind, str] = {TEXT: "text", NUMBER: "a number", INTEGER: "a whole number"}

_NOTHING = Known(pl.Series([], dtype=pl.String))
_FLOATS = ("number", "single")
_TYPES: Mapping[ValueType, str] = {"integer": "whole numbers", "unsigned": "whole numbers"}
