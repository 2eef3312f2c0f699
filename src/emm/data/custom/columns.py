"""The columns of custom data: their types, and inference of features."""

from collections.abc import Mapping, Sequence

import polars as pl

from emm.core.errors import nearest

MAX_CATEGORIES = 100
"""A column of whole numbers with more distinct values than this is inferred to be dense."""

_CODE = r"^[+-]?0\d"
_DAY_AND_TIME = r"^\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?Z?)?$"
_BOOLEANS = {"true": True, "false": False}


def unknown_column(where: str, column: str, columns: Sequence[str]) -> str:
    """Message for a column that doesn't exist."""
    return f"{where}: no column is called {column!r}; {nearest(column, columns)}"


def infer(sample: pl.DataFrame, columns: Sequence[str]) -> dict[str, str | None]:
    """Infer for each column whether it is ``dense`` or ``sparse``; None if it can't be a feature.

    Numbers are dense if any is a fraction or more than `MAX_CATEGORIES` of them differ. Everything
    else is sparse: few whole numbers, text, booleans, dates and times, and codes, which are digits
    with a leading zero.
    """
    return {column: _kind(sample[column]) for column in columns}


def _kind(column: pl.Series) -> str | None:
    if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object):
        return None
    numbers = _numbers(column)
    if numbers is None:
        return "sparse"
    whole = bool((numbers == numbers.round()).all())
    return "sparse" if whole and numbers.n_unique() <= MAX_CATEGORIES else "dense"


def _numbers(column: pl.Series) -> pl.Series | None:
    """The values of a column as numbers; None unless all of them are."""
    values = column.drop_nulls()
    if values.dtype == pl.String and not values.str.contains(_CODE).any():
        values = values.cast(pl.Float64, strict=False)
    elif values.dtype.is_numeric():
        values = values.cast(pl.Float64)
    finite = values.dtype == pl.Float64 and values.is_finite().fill_null(value=False).all()
    return values if finite and len(values) else None


def not_a_number(column: pl.Series) -> str | None:
    """The first value of a dense column that isn't a number, if any."""
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        return None
    values = column.drop_nulls().cast(pl.String, strict=False)
    bad = values.filter(values.cast(pl.Float64, strict=False).is_null())
    return str(bad[0]) if len(bad) else None


def as_label(column: pl.Series) -> pl.Expr:
    """Cast a column for expressions: text to numbers or booleans if all values are such."""
    value = pl.col(column.name)
    if column.dtype != pl.String:
        return value
    if _numbers(column) is not None:
        return value.cast(pl.Float64, strict=False)
    lower = column.drop_nulls().str.to_lowercase()
    if len(lower) and lower.is_in(list(_BOOLEANS)).all():
        return value.str.to_lowercase().replace_strict(
            _BOOLEANS, default=None, return_dtype=pl.Boolean
        )
    return value


def as_sparse(column: pl.Series) -> pl.Expr:
    """Cast a sparse column to text or whole numbers."""
    value = pl.col(column.name)
    if column.dtype == pl.String or column.dtype.is_integer():
        return value
    text = value.cast(pl.String)
    # pandas writes a column of whole numbers as 3.0 if a value is missing.
    return text.str.strip_suffix(".0") if column.dtype.is_float() else text


def as_bag(column: pl.Series, separator: str) -> pl.Expr:
    """Cast a multi-valued column to lists of text, without empty values."""
    value = pl.col(column.name)
    if column.dtype == pl.String:
        value = value.str.split(separator)
    texts = pl.element().cast(pl.String).str.strip_chars()
    return value.list.eval(texts.filter(texts != ""))


def as_time(column: pl.Series) -> pl.Expr | None:
    """Cast a column of times to values that sort: numbers, or ISO text; null for invalid values.

    None unless the values are numbers, or ISO dates and times of one time zone, such as
    ``2024-05-31``, ``2024-05-31 17:05`` or ``2024-05-31T17:05:30Z``.
    """
    value = pl.col(column.name)
    if column.dtype.is_numeric():
        return value
    if column.dtype in (pl.Date, pl.Datetime):
        return value.to_physical()
    if column.dtype != pl.String:
        return None
    numbers = _numbers(column)
    if numbers is not None:
        whole = bool((numbers == numbers.round()).all())
        return value.cast(pl.Int64 if whole else pl.Float64, strict=False)
    if not column.drop_nulls().str.contains(_DAY_AND_TIME).all():
        return None
    ordered = value.str.replace("T", " ", literal=True).str.strip_suffix("Z")
    return pl.when(value.str.contains(_DAY_AND_TIME)).then(ordered)


def cast_all(rows: pl.DataFrame, casts: Mapping[str, pl.Expr]) -> pl.DataFrame:
    return rows.with_columns(cast.alias(name) for name, cast in casts.items())
