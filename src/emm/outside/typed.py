"""The rows of a table in the columns and types that a model reads."""

from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from emm.core.errors import DataError
from emm.data.tables.expressions import evaluated
from emm.data.tables.kinds import INTEGER, NUMBER, TEXT
from emm.data.tables.raw import RawSplit
from emm.outside.scorer import ModelInput

_SHOWN = 3


def model_batches(
    split: RawSplit, inputs: Sequence[ModelInput], columns: Mapping[str, str], rows: int = 65_536
) -> Iterator[pl.DataFrame]:
    """The rows of a split as a model reads them; ``columns``: of each input."""
    for batch in split.batches(rows):
        yield model_rows(batch, inputs, columns)


def model_rows(
    rows: pl.DataFrame, inputs: Sequence[ModelInput], columns: Mapping[str, str]
) -> pl.DataFrame:
    """The columns of ``rows`` that a model reads, by its inputs, in their kinds.

    Raises DataError for a value that isn't of its input's kind: none becomes a missing one.
    """
    found = evaluated(rows, {each.name: columns[each.name] for each in inputs})
    return pl.DataFrame(
        [_typed(found.get_column(each.name), each, columns[each.name]) for each in inputs]
    )


def _typed(column: pl.Series, wanted: ModelInput, text: str) -> pl.Series:
    if wanted.kind == TEXT:
        return _text(column, text)
    if wanted.kind == NUMBER:
        return _number(column, text, "a number")
    if wanted.kind == INTEGER:
        return _integer(column, text)
    if column.dtype.is_integer() or column.dtype == pl.String:
        return column
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        return column.cast(pl.Float64)
    return column.cast(pl.String)


def _text(column: pl.Series, text: str) -> pl.Series:
    if column.dtype.is_float() or column.dtype.is_decimal():
        raise DataError(
            f"the input {column.name!r} reads text, and its column holds fractions",
            where=f"columns: {column.name}",
            got=f"{text}: {', '.join(map(str, column.drop_nulls().head(_SHOWN)))}",
            next_step="write them as the model knows them, such as "
            f"{column.name}: CAST(CAST({_quoted(text)} AS BIGINT) AS VARCHAR)",
        )
    return column.cast(pl.String)


def _number(column: pl.Series, text: str, what: str) -> pl.Series:
    if column.dtype != pl.String:
        if not (column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Null)):
            raise _misfit(column, text, what, column.drop_nulls())
        return column.cast(pl.Float64).fill_nan(None)
    numbers = column.str.strip_chars().cast(pl.Float64, strict=False)
    bad = column.is_not_null() & numbers.is_null()
    if bad.any():
        raise _misfit(column, text, what, column.filter(bad))
    return numbers.fill_nan(None)


def _integer(column: pl.Series, text: str) -> pl.Series:
    if column.dtype.is_integer():
        return column.cast(pl.Int64)
    numbers = _number(column, text, "a whole number")
    whole = numbers.cast(pl.Int64, strict=False)
    bad = numbers.is_not_null() & (whole.cast(pl.Float64) != numbers).fill_null(value=True)
    if bad.any():
        raise _misfit(column, text, "a whole number", column.filter(bad))
    return whole


def _misfit(column: pl.Series, text: str, what: str, values: pl.Series) -> DataError:
    shown = ", ".join(repr(value) for value in values.unique().sort().head(_SHOWN))
    return DataError(
        f"the input {column.name!r} reads {what}, and its column holds other values",
        where=f"columns: {column.name}",
        got=f"{text}: {shown}",
        expected=what,
        next_step="name another column, or an SQL expression that turns each value into "
        f"{what}, such as CASE WHEN {_quoted(text)} = 'x' THEN 1 ELSE 0 END",
    )


def _quoted(text: str) -> str:
    return text if text.isidentifier() else f'"{text}"'
