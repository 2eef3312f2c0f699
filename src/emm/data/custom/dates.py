"""Features from columns of dates and times.

These are the year, the days since 1970-01-01, and the month, weekday and hour as sine and cosine,
so that December is next to January. Preprocessing scales each to its range in train: the days
therefore count from the first day of train.
"""

import math
from dataclasses import dataclass

import polars as pl

from emm.data.custom.numbers import is_missing
from emm.data.tables.names import original_name, stored_name

ISO = (
    r"^\d{4}-\d\d-\d\d"
    r"([ T]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d([.,]\d+)?)?( ?(Z|UTC|[+-]\d\d(:?\d\d)?))?)?$"
)
_CLOCK = (r"[ T](\d\d):", r"[ T]\d\d:(\d\d)", r"[ T]\d\d:\d\d:(\d\d)")
_MINUTES_PER_HOUR, _SECONDS_PER_HOUR = 60, 3600


@dataclass(frozen=True)
class DateFeatures:
    """The features of a column of dates, of times of the day, or of both.

    ``names``: those of the features, which are dense.
    """

    column: str
    dtype: pl.DataType
    dated: bool
    timed: bool

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.expressions())

    def expressions(self) -> dict[str, pl.Expr]:
        """The features by name; null where the date is missing or none."""
        value = pl.col(self.column)
        found = dict[str, pl.Expr]()
        if self.dated:
            day = day_of(value, self.dtype)
            found["year"] = day.dt.year()
            found |= _cyclic("month", (day.dt.month() - 1) / 12)
            found |= _cyclic("weekday", (day.dt.weekday() - 1) / 7)
            found["days"] = day.cast(pl.Int32)
        if self.timed:
            found |= _cyclic("hour", hour_of(value, self.dtype) / 24)
        name = original_name(self.column)
        return {
            stored_name(f"{name}:{part}"): expression.cast(pl.Float64)
            for part, expression in found.items()
        }

    def invalid(self) -> pl.Expr:
        """Whether a value is neither a date nor missing."""
        value = pl.col(self.column)
        if self.dtype != pl.String:
            return pl.lit(value=False)
        return value.is_not_null() & ~is_missing(value) & day_of(value, self.dtype).is_null()


def date_features(column: pl.Series) -> DateFeatures | None:
    """The features of a column; None if its values are no dates or times, or not all of them."""
    value = pl.col(column.name)
    dtype = column.dtype
    if dtype == pl.Time:
        return DateFeatures(column.name, dtype, dated=False, timed=True)
    if dtype == pl.String:
        if not is_date(column).any():
            return None
    elif dtype not in (pl.Date, pl.Datetime):
        return None
    hours = column.to_frame().select(hour_of(value, dtype)).to_series()
    return DateFeatures(column.name, dtype, dated=True, timed=bool((hours > 0).any()))


def is_date(column: pl.Series) -> pl.Series:
    """Whether each text is a date, or a date and time, in ISO form."""
    day = day_of(pl.col(column.name), column.dtype)
    return column.to_frame().select(day.is_not_null()).to_series()


def day_of(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """The date of a value; null for text that is none."""
    if dtype != pl.String:
        return value.cast(pl.Date) if dtype == pl.Date else value.dt.date()
    day = value.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
    return pl.when(value.str.contains(ISO)).then(day)


def hour_of(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Hours since midnight, as written; null without a date."""
    if dtype == pl.String:
        parts = (value.str.extract(part).cast(pl.Float64).fill_null(0.0) for part in _CLOCK)
        hour, minute, second = parts
        hours = hour + pl.when(day_of(value, dtype).is_not_null()).then(0.0)
    elif dtype == pl.Date:
        return pl.when(value.is_not_null()).then(0.0)
    else:
        hours, minute, second = value.dt.hour(), value.dt.minute(), value.dt.second()
    return hours + minute / _MINUTES_PER_HOUR + second / _SECONDS_PER_HOUR


def _cyclic(part: str, turns: pl.Expr) -> dict[str, pl.Expr]:
    angle = 2 * math.pi * turns
    return {f"{part}_sin": angle.sin(), f"{part}_cos": angle.cos()}
