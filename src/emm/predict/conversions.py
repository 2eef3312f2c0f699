"""Conversions of the values of a sparse column to the type in which training read them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from emm.core.errors import DataError
from emm.data.tables.inputs import Input, ValueType

_WHOLE = r"^[+-]?\d+(?:\.0*)?$"
_FRACTION = r"\.0*$"
_CODE = r"^[+-]?0\d"
_SHOWN = 3
_EXACT = 2**53  # from here on, doubles don't tell all whole numbers apart
_TRUTHS = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}


@dataclass(frozen=True)
class Known:
    """The ``values`` of a sparse column that have an id, as text."""

    values: pl.Series

    @cached_property
    def codes(self) -> bool:
        """Whether there are codes such as 02, which isn't the value 2."""
        return bool(self.values.str.contains(_CODE).any())

    @cached_property
    def fractions(self) -> bool:
        """Whether whole numbers are written as 3.0."""
        return bool(self.values.str.contains(r"^-?\d+\.0$").any())

    @cached_property
    def truths(self) -> bool:
        """Whether true or false is among them, or nothing is."""
        return not len(self.values) or bool(self.values.is_in(["true", "false"]).any())

    def __str__(self) -> str:
        more = " …" if len(self.values) > _SHOWN else ""
        return ", ".join(map(repr, self.values.head(_SHOWN).to_list())) + more


Read = tuple[pl.Series, pl.Series | None]
"""Values, and where they can't be used."""


def refused(given: Input, dtype: object, expected: str) -> DataError:
    """Error for a column of a type that training didn't read."""
    return DataError(
        f"the column {given.name!r} has another type than in training",
        where=given.name,
        got=f"{dtype}".lower(),
        expected=expected,
        next_step="convert the column to what it was when the model was trained",
    )


def to_text(column: pl.Series, given: Input, known: Known) -> Read:
    if column.dtype in (pl.String, pl.Null):
        return column.cast(pl.String), None
    if column.dtype.is_temporal():
        raise refused(given, column.dtype, "text")
    _require_digits(column, given)
    texts = column.cast(pl.String)
    if column.dtype == pl.Boolean:
        if not known.truths:
            raise refused(given, column.dtype, str(known))
        return texts, None
    if known.codes:
        raise refused(given, column.dtype, f"text: {known}")
    if column.dtype.is_float() and not known.fractions:
        texts = texts.str.strip_suffix(".0")
    return texts, None


def to_whole(column: pl.Series, given: Input, _: Known) -> Read:
    target = pl.UInt64 if given.type == "unsigned" else pl.Int64
    if column.dtype.is_temporal():
        raise refused(given, column.dtype, "whole numbers")
    _require_digits(column, given)
    if column.dtype == pl.String:
        good = column.str.contains(_WHOLE)
        column = column.str.replace(_FRACTION, "")
    elif column.dtype.is_float():
        good = (column == column.round()) & column.is_finite()
    else:
        return column.cast(target, strict=False), None
    # A whole number that the type can't hold is one that no row of train has.
    return column.cast(target, strict=False), column.is_not_null() & ~good.fill_null(value=True)


def _to_float(column: pl.Series, given: Input, _: Known) -> Read:
    if column.dtype.is_temporal():
        raise refused(given, column.dtype, "numbers")
    numbers = column.cast(pl.Float64, strict=False)
    bad = column.is_not_null() & numbers.is_null()
    return numbers.cast(pl.Float32) if given.type == "single" else numbers, bad


def _to_boolean(column: pl.Series, given: Input, _: Known) -> Read:
    if column.dtype in (pl.Boolean, pl.Null):
        return column.cast(pl.Boolean), None
    if column.dtype.is_temporal():
        raise refused(given, column.dtype, "true or false")
    texts = column.cast(pl.String).str.to_lowercase()
    found = texts.replace_strict(_TRUTHS, default=None, return_dtype=pl.Boolean)
    return found, column.is_not_null() & found.is_null()


def _to_time(column: pl.Series, given: Input, _known: Known) -> Read:
    """Times of the same type; a day may also be text, because it has one form."""
    if column.dtype == pl.String and given.type == "date":
        days = column.str.to_date("%Y-%m-%d", strict=False)
        return days, column.is_not_null() & days.is_null()
    fits = {"date": pl.Date, "datetime": pl.Datetime, "time": pl.Time}[given.type]
    if column.dtype not in (fits, pl.Null):
        raise refused(given, column.dtype, given.type)
    if given.type != "datetime":
        return column.cast(fits), None
    unit, _, zone = (given.unit or "us").partition(" ")
    return column.cast(pl.Datetime(unit, zone or None)), None  # type: ignore[arg-type]


def _require_digits(column: pl.Series, given: Input) -> None:
    """Raise DataError for fractions so large that whole numbers have lost their last digits."""
    if column.dtype.is_float() and (column.abs() >= _EXACT).any():
        raise DataError(
            f"the column {given.name!r} holds whole numbers as fractions, which lack last digits",
            where=given.name,
            got=f"{column.filter(column.abs() >= _EXACT)[0]:.0f}",
            expected="whole numbers or text",
            next_step="read the column as text: pandas makes fractions of whole numbers where one "
            "is missing",
        )


CONVERSIONS: Mapping[ValueType, Callable[[pl.Series, Input, Known], Read]] = {
    "text": to_text,
    "integer": to_whole,
    "unsigned": to_whole,
    "number": _to_float,
    "single": _to_float,
    "boolean": _to_boolean,
    "date": _to_time,
    "datetime": _to_time,
    "time": _to_time,
}
