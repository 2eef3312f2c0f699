"""Assign rows to train, validation and test by a split rule."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from emm.core.errors import DataError
from emm.data.datasets.split_rules import (
    AsPublished,
    ByColumn,
    ByKey,
    ByTime,
    Halved,
    HeldOut,
    Randomly,
    Split,
)
from emm.data.prepare.sample import random_shares, stratified_half
from emm.data.tables.names import original_name
from emm.data.tables.schema import SPLITS

_TRAIN, _VALIDATION, _TEST = range(3)

Parts = Mapping[str, pl.LazyFrame]
Places = NDArray[np.uint8]
"""The split of each row: 0 train, 1 validation, 2 test."""


def assign(
    split: Split, parts: Parts, strata: Sequence[pl.Expr], seed: int
) -> dict[str, pl.LazyFrame]:
    """Return the rows of each split, in order; DataError if a split would be empty.

    ``strata``: numbers by which a stratified split divides the rows. Memory grows by a few bytes
    per row.
    """
    if isinstance(split, AsPublished):
        return {name: parts[name] for name in SPLITS}
    rule = _RULES[type(split)]
    places = {name: rule(split, name, rows, strata, seed) for name, rows in parts.items()}
    found = [np.bincount(each, minlength=len(SPLITS)) for each in places.values()]
    counts = np.sum(found, axis=0)
    for name, count in zip(SPLITS, counts, strict=True):
        if not count:
            raise DataError(
                f"the split {name} is empty",
                got=", ".join(f"{n:,} rows of {s}" for s, n in zip(SPLITS, counts, strict=True)),
                expected="at least one row of each of train, validation and test",
                next_step="choose another rule or other shares, or add data",
            )
    return {
        name: pl.concat(
            [
                _where(parts[part], found, number)
                for part, found in places.items()
                if number in found
            ]
        )
        for number, name in enumerate(SPLITS)
    }


def _where(rows: pl.LazyFrame, places: Places, number: int) -> pl.LazyFrame:
    if (places == number).all():
        return rows
    mask = pl.Series("__here", places == number)
    return rows.with_columns(mask).filter("__here").drop("__here")


def _halved(
    _: Halved, part: str, rows: pl.LazyFrame, strata: Sequence[pl.Expr], seed: int
) -> Places:
    if part == "train":
        return np.full(_count(rows), _TRAIN, np.uint8)
    found = rows.select(strata).collect(engine="streaming").to_numpy()
    half = stratified_half(found.reshape(_count(rows), len(strata)), seed)
    return np.where(half, _VALIDATION, _TEST).astype(np.uint8)


def _held_out(
    split: HeldOut, part: str, rows: pl.LazyFrame, _: Sequence[pl.Expr], seed: int
) -> Places:
    if part == "test":
        return np.full(_count(rows), _TEST, np.uint8)
    shares = (split.validation, 0.0)
    if split.key is None:
        return _random_places(_count(rows), shares, seed)
    return _by_keys(rows, split.key, shares, seed)


def _by_time(
    split: ByTime, _part: str, rows: pl.LazyFrame, _: Sequence[pl.Expr], _seed: int
) -> Places:
    time = pl.col(split.column)
    counts = rows.group_by(time.alias("time")).len("rows").sort("time").collect(engine="streaming")
    values, lengths = counts["time"], counts["rows"].to_numpy()
    if values.null_count() or len(values) < len(SPLITS):
        raise DataError(
            f"the column {original_name(split.column)!r} can't order the rows by time",
            got=f"{values.null_count()} empty values, {len(values)} different ones",
            expected=f"a value in every row, at least {len(SPLITS)} different ones",
            next_step="choose another column or split rule",
        )
    total = lengths.sum()
    test = max(_start(lengths, split.test * total), 2)
    validation = max(_start(lengths[:test], split.validation * total), 1)
    return _places(
        rows,
        pl.when(time >= values[test])
        .then(_TEST)
        .when(time >= values[validation])
        .then(_VALIDATION)
        .otherwise(_TRAIN),
    )


def _start(lengths: NDArray[Any], most: float) -> int:
    """The first index from which on there are at most ``most`` rows, or the last index."""
    tail = np.cumsum(lengths[::-1])[::-1]
    fits = np.flatnonzero(tail <= most)
    return int(fits[0]) if len(fits) else len(lengths) - 1


def _by_key(
    split: ByKey, _part: str, rows: pl.LazyFrame, _: Sequence[pl.Expr], seed: int
) -> Places:
    return _by_keys(rows, split.column, (split.validation, split.test), seed)


def _by_column(
    split: ByColumn, _part: str, rows: pl.LazyFrame, _: Sequence[pl.Expr], _seed: int
) -> Places:
    value = pl.col(split.column).cast(pl.String)
    return _places(
        rows,
        pl.when(value.is_in(split.test))
        .then(_TEST)
        .when(value.is_in(split.validation))
        .then(_VALIDATION)
        .otherwise(_TRAIN),
    )


def _randomly(
    split: Randomly, _part: str, rows: pl.LazyFrame, _: Sequence[pl.Expr], seed: int
) -> Places:
    return _random_places(_count(rows), (split.validation, split.test), seed)


def _random_places(count: int, shares: tuple[float, float], seed: int) -> Places:
    """Draw exact shares of validation and test."""
    places = np.full(count, _TRAIN, np.uint8)
    validation, test = random_shares(count, shares, seed)
    places[validation], places[test] = _VALIDATION, _TEST
    return places


def _by_keys(rows: pl.LazyFrame, key: str, shares: tuple[float, float], seed: int) -> Places:
    keys = rows.select(pl.col(key).unique()).collect(engine="streaming")[key].sort()
    places = pl.LazyFrame({key: keys, "__place": _random_places(len(keys), shares, seed)})
    found = rows.select(key).join(
        places, on=key, how="left", nulls_equal=True, maintain_order="left"
    )
    return _places(found, pl.col("__place"))


def _places(rows: pl.LazyFrame, place: pl.Expr) -> Places:
    found = rows.select(place.cast(pl.UInt8).alias("place")).collect(engine="streaming")
    return found["place"].to_numpy()


def _count(rows: pl.LazyFrame) -> int:
    return int(rows.select(pl.len()).collect(engine="streaming").item())


_RULES: dict[type[Any], Callable[..., Places]] = {
    Halved: _halved,
    HeldOut: _held_out,
    ByTime: _by_time,
    ByKey: _by_key,
    ByColumn: _by_column,
    Randomly: _randomly,
}
