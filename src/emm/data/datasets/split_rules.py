"""Which split a row belongs to: rules that fit the ways in which datasets are published."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Halved:
    """Parts train and test: the test part in two halves, seeded, stratified on all labels."""


@dataclass(frozen=True)
class HeldOut:
    """Parts train and test: a share of train is validation, with a ``key`` whole keys of it."""

    validation: float
    key: str | None = None


@dataclass(frozen=True)
class ByTime:
    """One part: the last rows are test, those before validation.

    A split begins at a value of ``column``, the earliest that leaves it no more than its share;
    it has at least one value.
    """

    column: str
    validation: float
    test: float


@dataclass(frozen=True)
class ByKey:
    """One part: shares of the keys in ``column``, seeded, with all of a key's rows."""

    column: str
    validation: float
    test: float


@dataclass(frozen=True)
class ByColumn:
    """One part: rows whose ``column`` has one of these values; all others are train."""

    column: str
    validation: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True)
class Randomly:
    """One part: shares of the rows, seeded."""

    validation: float
    test: float


@dataclass(frozen=True)
class AsPublished:
    """Parts train, validation and test, as they are."""


Split = Halved | HeldOut | ByTime | ByKey | ByColumn | Randomly | AsPublished
