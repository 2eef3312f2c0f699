"""Rules that assign rows to train, validation and test, for the ways data is published."""

from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Halved:
    """Parts train and test: test is split in half at random.

    Both halves have the same labels: every combination of binary labels, classes and missing
    labels is split in half.
    """


@dataclass(frozen=True)
class HeldOut:
    """Parts train and test: a random share of train is validation.

    With a ``key``, it is a share of the keys, and all rows of a key stay together.
    """

    validation: float
    key: str | None = None


@dataclass(frozen=True)
class ByTime:
    """One part: the last rows by ``column`` are test, the rows before them validation.

    Rows with the same value stay together. A split starts at the earliest value at which it has
    no more rows than its share, and has at least one value.
    """

    column: str
    validation: float
    test: float


@dataclass(frozen=True)
class ByKey:
    """One part: random shares of the keys in ``column``; all rows of a key stay together."""

    column: str
    validation: float
    test: float


@dataclass(frozen=True)
class ByColumn:
    """One part: rows with these values of ``column``; all others are train."""

    column: str
    validation: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True)
class Randomly:
    """One part: random shares of the rows."""

    validation: float
    test: float


@dataclass(frozen=True)
class AsPublished:
    """Parts train, validation and test, unchanged."""


Split = Halved | HeldOut | ByTime | ByKey | ByColumn | Randomly | AsPublished


def column_of(split: Split) -> str | None:
    """The column that a rule reads, if any."""
    return getattr(split, "column", None) or getattr(split, "key", None)


def renamed(split: Split, rename: Callable[[str], str]) -> Split:
    """The same rule for a renamed column."""
    if isinstance(split, ByTime | ByKey | ByColumn):
        return replace(split, column=rename(split.column))
    return (
        replace(split, key=rename(split.key)) if isinstance(split, HeldOut) and split.key else split
    )
