"""Casts of the columns of custom data, by their types in a sample."""

from collections.abc import Mapping, Sequence

import polars as pl

from emm.core.errors import nearest
from emm.data.custom.numbers import is_missing, parse_numbers
from emm.data.tables.inputs import TimeForm

_DAY_AND_TIME = r"^\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?Z?)?$"
_BOOLEANS = {"true": True, "false": False}


def unknown_column(where: str, column: str, columns: Sequence[str]) -> str:
    """Message for a column that doesn't exist."""
    return f"{where}: no column is called {column!r}; {nearest(column, columns)}"


def _numbers(column: pl.Series) -> pl.Series | None:
    """The values of a column as numbers; None unless all of them are."""
    numbers = parse_numbers(column.drop_nulls())
    return numbers if len(numbers) and not numbers.null_count() else None


def as_label(column: pl.Series) -> pl.Expr:
    """Cast a column for expressions: text to numbers or booleans if all values are such.

    Words for a missing number become null.
    """
    value = pl.col(column.name)
    if column.dtype != pl.String:
        return value
    values = column.to_frame().drop_nulls().filter(~is_missing(value)).to_series()
    if _numbers(values) is not None:
        number = value.cast(pl.Float64, strict=False)
        return pl.when(number.is_finite()).then(number)
    lower = values.str.to_lowercase()
    if len(lower) and lower.is_in(list(_BOOLEANS)).all():
        return value.str.to_lowercase().replace_strict(
            _BOOLEANS, default=None, return_dtype=pl.Boolean
        )
    return value


def as_dense(column: pl.Series) -> pl.Expr:
    """Cast a dense column; words for a missing value, and infinity, become null."""
    value = pl.col(column.name)
    if column.dtype.is_float():
        return pl.when(value.is_finite()).then(value)
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        return value
    value = value.cast(pl.String)
    return pl.when(~is_missing(value)).then(value)


def as_sparse(column: pl.Series) -> pl.Expr:
    """Cast a sparse column to text or whole numbers."""
    value = pl.col(column.name)
    if column.dtype == pl.String or column.dtype.is_integer():
        return value
    if column.dtype.is_decimal():
        value = value.cast(pl.Float64)
    text = value.cast(pl.String)
    # pandas writes a column of whole numbers as 3.0 if a value is missing.
    fractional = column.dtype.is_float() or column.dtype.is_decimal()
    return text.str.strip_suffix(".0") if fractional else text


def as_bag(column: pl.Series, separator: str) -> pl.Expr:
    """Cast a multi-valued column to lists of text, without empty values."""
    value = pl.col(column.name)
    if column.dtype == pl.String:
        value = value.str.split(separator)
    texts = pl.element().cast(pl.String).str.strip_chars()
    return value.list.eval(texts.filter(texts != ""))


def as_time(column: pl.Series) -> pl.Expr | None:
    """Cast a column of times to values that sort: numbers, or ISO text; null for other values.

    None unless the values are numbers, or ISO dates and times of one time zone, such as
    ``2024-05-31``, ``2024-05-31 17:05`` or ``2024-05-31T17:05:30Z``.
    """
    form = time_form(column)
    return None if form is None else cast_time(pl.col(column.name), form)


def time_form(column: pl.Series) -> TimeForm | None:
    """How a column of times is cast to values that sort; None if its values are none."""
    value = pl.col(column.name)
    if column.dtype.is_numeric():
        return "as-is"
    if column.dtype in (pl.Date, pl.Datetime):
        return "physical"
    if column.dtype != pl.String:
        return None
    values = column.to_frame().drop_nulls().filter(~is_missing(value)).to_series()
    numbers = _numbers(values)
    if numbers is not None:
        return "integer" if bool((numbers == numbers.round()).all()) else "number"
    return "text" if values.str.contains(_DAY_AND_TIME).all() else None


def cast_time(value: pl.Expr, form: TimeForm) -> pl.Expr:
    """Cast times to values that sort."""
    if form == "as-is":
        return value
    if form == "physical":
        return value.to_physical()
    if form != "text":
        return value.cast(pl.Int64 if form == "integer" else pl.Float64, strict=False)
    ordered = value.str.replace("T", " ", literal=True).str.strip_suffix("Z")
    return pl.when(value.str.contains(_DAY_AND_TIME)).then(ordered)


def cast_all(rows: pl.DataFrame, casts: Mapping[str, pl.Expr]) -> pl.DataFrame:
    return rows.with_columns(cast.alias(name) for name, cast in casts.items())
