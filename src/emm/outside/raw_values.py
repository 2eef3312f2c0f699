"""Values of raw columns as the trees of a file compare them: numbers, and codes of categories."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from emm.core.errors import DataError
from emm.trees.native.files import Array

SHOWN = 3  # values that errors show


@dataclass
class Known:
    """What was found about categories while columns were read.

    Attributes:
        values: by column with a list of categories, number of values that aren't missing.
        found: of these, the number of values that are in the list.
        examples: of these, some values that aren't in the list.
    """

    values: dict[str, int] = field(default_factory=dict)
    found: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[object]] = field(default_factory=dict)

    def count(self, name: str, values: pl.Series, inside: Array) -> None:
        """Count the values of a column; ``inside`` [B]: whether each is in the list."""
        present = values.is_not_null().to_numpy()
        self.values[name] = self.values.get(name, 0) + int(present.sum())
        self.found[name] = self.found.get(name, 0) + int(inside.sum())
        examples = self.examples.setdefault(name, [])
        if len(examples) < SHOWN:
            strange = values.filter(pl.Series(present & ~inside)).unique(maintain_order=True)
            examples += strange.head(SHOWN - len(examples)).to_list()

    def check(self, file: object) -> None:
        """Raise DataError if no value of a column is in its feature's list of categories."""
        for name, values in self.values.items():
            if values and not self.found[name]:
                raise DataError(
                    f"no value of the column {name!r} is among the model's categories of it",
                    where=file,
                    got=", ".join(map(repr, self.examples[name])),
                    next_step="name the column, or an SQL expression that gives the categories as "
                    f"in training, under columns: {{{name}: ...}}; text has no blanks around it "
                    "here",
                )


@dataclass(frozen=True)
class Numbers:
    """A feature that is split by thresholds.

    ``single``: values are rounded to float32 first; ``zero``: those from -zero to zero are 0.
    """

    name: str
    single: bool
    zero: float

    def values(self, column: pl.Series) -> Array:
        """The values as the library compares them, [B] float64; NaN if they are missing.

        Raises DataError for text that isn't a number.
        """
        numbers = as_numbers(self.name, column)
        if self.single:
            with np.errstate(over="ignore"):
                numbers = numbers.astype(np.float32).astype(np.float64)
        return np.where(np.abs(numbers) <= self.zero, 0.0, numbers)


@dataclass(frozen=True)
class Codes:
    """A feature that is split by sets of codes, of which the largest in any set is ``known`` - 1.

    ``negative_is_code``: values between -1 and 0 are code 0, as their integer part says, instead of
    no code.
    """

    name: str
    known: int
    negative_is_code: bool

    @property
    def missing(self) -> int:
        """The id of missing values; the one before is that of values in no set."""
        return self.known + 1

    @property
    def cardinality(self) -> int:
        return self.known + 2

    def ids(self, values: pl.Series) -> Array:
        """The id of each value, [B] int32: its integer part, or that of values in no set."""
        numbers = as_numbers(self.name, values)
        missing = np.isnan(numbers)
        codes = np.trunc(np.where(missing, 0, numbers))
        outside = (codes < 0) | (codes >= self.known)
        if not self.negative_is_code:
            outside |= numbers < 0
        ids = np.where(outside, self.known, codes)
        return np.where(missing, self.missing, ids).astype(np.int32)


@dataclass(frozen=True)
class Categories:
    """A feature that was a category column of a data frame, with the list of its categories."""

    name: str
    categories: Sequence[object]
    seen: Known

    @property
    def known(self) -> int:
        return len(self.categories)

    @property
    def missing(self) -> int:
        """The id of missing values, and of values that aren't in the list."""
        return self.known + 1

    @property
    def cardinality(self) -> int:
        return self.known + 2

    def ids(self, values: pl.Series) -> Array:
        """The id of each value, [B] int32: its place in the list.

        Text is compared as text, numbers as numbers. If only one of both sides is text, its numbers
        are compared. Raises DataError if categories that are text have the same number.
        """
        text = [each for each in self.categories if isinstance(each, str)]
        if values.dtype == pl.String and len(text) == self.known:
            places = _places(pl.Series(text, dtype=pl.String), values)
        elif values.dtype.is_integer() and all(type(each) is int for each in self.categories):
            places = _places(pl.Series(self.categories, dtype=pl.Int64), values)
        else:
            listed = _as_float(pl.Series(list(map(str, self.categories)), dtype=pl.String))
            self._check_distinct(listed)
            places = _places(listed, _as_float(values))
        self.seen.count(self.name, values, places >= 0)
        return np.where(places < 0, self.missing, places).astype(np.int32)

    def _check_distinct(self, numbers: pl.Series) -> None:
        present = numbers.drop_nulls()
        if present.n_unique() < len(present):
            raise DataError(
                f"the model's categories of {self.name!r} are text, and two are the same number",
                got=", ".join(map(repr, self.categories[:SHOWN])),
                expected=f"a column of text for {self.name!r}",
                next_step=f"write columns: {{{self.name}: an SQL expression that gives text}}",
            )


def as_numbers(name: str, values: pl.Series) -> Array:
    """Values as float64 [B], NaN if missing. Raises DataError for text that isn't a number."""
    if values.dtype != pl.String:
        return values.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    text = values.str.strip_chars().replace("", None)
    numbers = _as_float(text)
    strange = text.filter(numbers.is_null() & text.is_not_null())
    if len(strange):
        raise DataError(
            f"the model reads {name!r} as a number, but the column has text",
            got=repr(strange[0]),
            expected="numbers, or nothing for missing values",
            next_step=f"write columns: {{{name}: an SQL expression that gives numbers}}",
        )
    return numbers.fill_null(float("nan")).to_numpy()


def _as_float(values: pl.Series) -> pl.Series:
    """Numbers as float64; null for text that isn't a number, and for NaN."""
    return values.cast(pl.Float64, strict=False).fill_nan(None)


def _places(listed: pl.Series, values: pl.Series) -> Array:
    """The place of each value in ``listed``, -1 if it isn't there or is missing, int64."""
    places = pl.DataFrame({"value": listed, "place": np.arange(len(listed))}).drop_nulls()
    found = pl.DataFrame({"value": values.cast(listed.dtype)}).join(
        places, on="value", how="left", maintain_order="left"
    )
    return found["place"].fill_null(-1).to_numpy()
