"""Numbers in text: the words for a missing one, decimal commas and separators of thousands."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

MISSING_WORDS = (
    *("", "-", "--", ".", "?", "na", "n/a", "#n/a", "#na", "nan", "none", "null", "nil"),
    *("inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"),
)
"""What stands for a missing value in a column of numbers or dates, in small letters."""

_CODE = r"^[+-]?0\d"
_MOST, _HALF = 0.9, 0.5


@dataclass(frozen=True)
class Notation:
    """What separates the fraction of a number, and groups of three of its digits."""

    decimal: str = "."
    thousands: str | None = None

    @property
    def pattern(self) -> str:
        """Pattern of a number."""
        groups = rf"|\d{{1,3}}(?:{re.escape(self.thousands)}\d{{3}})+" if self.thousands else ""
        point = re.escape(self.decimal)
        return rf"^[+-]?(?:(?:\d+{groups})(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?$"

    def plain(self, value: pl.Expr) -> pl.Expr:
        """Text with numbers as Polars reads them; what only Polars reads as a number is quoted."""
        number = (
            value.str.replace_all(self.thousands, "", literal=True) if self.thousands else value
        )
        number = number.str.replace(self.decimal, ".", literal=True)
        other = value.cast(pl.Float64, strict=False).is_finite().fill_null(value=False)
        return (
            pl.when(value.str.contains(self.pattern))
            .then(number)
            .when(other)
            .then(pl.format("'{}'", value))
            .otherwise(value)
        )


PLAIN = Notation()


def number_columns(sample: pl.DataFrame, notation: Notation, named: Iterable[str]) -> list[str]:
    """The columns of text whose numbers are in a notation other than `PLAIN`.

    These are the ``named`` ones, and those with such a number in most values.
    """
    if notation == PLAIN:
        return []
    named = {*named}
    return [
        column.name
        for column in sample
        if column.dtype == pl.String and (column.name in named or _share(column, notation) >= _MOST)
    ]


def hint(column: pl.Series) -> str | None:
    """The setting with which most values of a column of text would be numbers with commas."""
    if float(column.str.contains(",", literal=True).mean() or 0.0) < _HALF:  # type: ignore[arg-type]
        return None
    settings = {'thousands: ","': Notation(".", ","), 'decimal: ","': Notation(",")}
    found = [text for text, notation in settings.items() if _share(column, notation) >= _MOST]
    if not found and _share(column, Notation(",", ".")) >= _MOST:
        return 'decimal: "," and thousands: "."'
    return " or ".join(found) or None


def parse_numbers(column: pl.Series) -> pl.Series:
    """The values of a column as numbers, null where they are none; infinity is none.

    All are null in a column with codes, which are digits with a leading zero.
    """
    if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        column = column.cast(pl.String)
    if column.dtype == pl.String and column.str.contains(_CODE).any():
        return pl.Series(column.name, [None] * len(column), pl.Float64)
    value = pl.col(column.name).cast(pl.Float64, strict=False)
    return column.to_frame().select(pl.when(value.is_finite()).then(value)).to_series()


def is_missing(value: pl.Expr) -> pl.Expr:
    """Whether text is a word for a missing value."""
    return value.str.to_lowercase().is_in(MISSING_WORDS)


def _share(column: pl.Series, notation: Notation) -> float:
    """Share of the values, without missing ones, that are numbers in a notation."""
    values = column.drop_nulls().to_frame().filter(~is_missing(pl.col(column.name))).to_series()
    return float(values.str.contains(notation.pattern).mean() or 0.0)  # type: ignore[arg-type]
