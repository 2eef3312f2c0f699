"""Apply the rules by which rows come to train, validation and test."""

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
from emm.data.prepare.draws import drawn, stratified_half
from emm.data.tables.schema import SPLITS

_TRAIN, _VALIDATION, _TEST = range(3)

Parts = Mapping[str, pl.LazyFrame]
Places = NDArray[np.uint8]


def assign(split: Split, parts: Parts, labels: Sequence[str], seed: int) -> dict[str, pl.LazyFrame]:
    """Each split's rows, in their order. DataError if one of them would be empty.

    ``labels`` names the label columns of the binary tasks. Beside a few bytes a row, nothing is
    held in memory that grows with the number of rows.
    """
    if isinstance(split, AsPublished):
        return {name: parts[name] for name in SPLITS}
    rule = _RULES[type(split)]
    places = {name: rule(split, name, rows, labels, seed) for name, rows in parts.items()}
    found = [np.bincount(each, minlength=len(SPLITS)) for each in places.values()]
    counts = np.sum(found, axis=0)
    for name, count in zip(SPLITS, counts, strict=True):
        if not count:
            raise DataError(
                f"no row falls into {name}",
                where=f"the split {split}",
                expected="at least one row of each of train, validation and test",
                next_step="choose other shares, or bring more data",
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


def _halved(_: Halved, part: str, rows: pl.LazyFrame, labels: Sequence[str], seed: int) -> Places:
    if part == "train":
        return np.full(_count(rows), _TRAIN, np.uint8)
    found = rows.select(labels).collect(engine="streaming").to_numpy()
    half = stratified_half(found.reshape(_count(rows), len(labels)), seed)
    return np.where(half, _VALIDATION, _TEST).astype(np.uint8)


def _held_out(split: HeldOut, part: str, rows: pl.LazyFrame, _: Sequence[str], seed: int) -> Places:
    if part == "test":
        return np.full(_count(rows), _TEST, np.uint8)
    shares = (split.validation, 0.0)
    if split.key is None:
        return _drawn(_count(rows), shares, seed)
    return _by_keys(rows, split.key, shares, seed)


def _by_time(split: ByTime, _part: str, rows: pl.LazyFrame, _: Sequence[str], _seed: int) -> Places:
    counts = rows.group_by(split.column).len().sort(split.column).collect(engine="streaming")
    values, lengths = counts[split.column], counts["len"].to_numpy()
    if values.null_count() or len(values) < len(SPLITS):
        raise DataError(
            f"the column {split.column!r} can't order the rows by time",
            got=f"{values.null_count()} empty values, {len(values)} different ones",
            expected=f"a value in every row, at least {len(SPLITS)} different ones",
            next_step="choose another column or another split",
        )
    rows_in_all = lengths.sum()
    test = max(_start(lengths, split.test * rows_in_all), 2)
    validation = max(_start(lengths[:test], split.validation * rows_in_all), 1)
    after = pl.col(split.column)
    return _places(
        rows,
        pl.when(after >= values[test])
        .then(_TEST)
        .when(after >= values[validation])
        .then(_VALIDATION)
        .otherwise(_TRAIN),
    )


def _start(lengths: NDArray[Any], most: float) -> int:
    """The earliest place from which on there are no more than ``most`` rows, or the last place."""
    tail = np.cumsum(lengths[::-1])[::-1]
    fits = np.flatnonzero(tail <= most)
    return int(fits[0]) if len(fits) else len(lengths) - 1


def _by_key(split: ByKey, _part: str, rows: pl.LazyFrame, _: Sequence[str], seed: int) -> Places:
    return _by_keys(rows, split.column, (split.validation, split.test), seed)


def _by_column(
    split: ByColumn, _part: str, rows: pl.LazyFrame, _: Sequence[str], _seed: int
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
    split: Randomly, _part: str, rows: pl.LazyFrame, _: Sequence[str], seed: int
) -> Places:
    return _drawn(_count(rows), (split.validation, split.test), seed)


def _drawn(count: int, shares: tuple[float, float], seed: int) -> Places:
    """Exact shares of ``count`` things in random order."""
    places = np.full(count, _TRAIN, np.uint8)
    validation, test = drawn(count, shares, seed)
    places[validation], places[test] = _VALIDATION, _TEST
    return places


def _by_keys(rows: pl.LazyFrame, key: str, shares: tuple[float, float], seed: int) -> Places:
    keys = rows.select(pl.col(key).unique()).collect(engine="streaming")[key].sort()
    table = pl.LazyFrame({key: keys, "__place": _drawn(len(keys), shares, seed)})
    found = rows.select(key).join(
        table, on=key, how="left", nulls_equal=True, maintain_order="left"
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
