"""Seeded draws of rows: a sample of a dataset, exact shares, stratified halves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Sample:
    """The same share of every part: a ``fraction``, or ``rows`` of the first part.

    With a ``key`` the share is one of keys, whose rows are all taken.
    """

    fraction: float | None = None
    rows: int | None = None
    key: str | None = None


def sampled(
    parts: Mapping[str, pl.LazyFrame], sample: Sample, seed: int
) -> dict[str, pl.LazyFrame]:
    """The sampled rows of every part, in order."""
    counts = {name: int(part.select(pl.len()).collect().item()) for name, part in parts.items()}
    first = next(iter(counts.values()))
    share = sample.fraction or 1.0
    if sample.rows is not None:
        share = min(share, sample.rows / first)
    key = sample.key
    if key is None:
        return {
            name: _where(part, _mask(counts[name], share, seed)) for name, part in parts.items()
        }
    keys = pl.concat([part.select(key) for part in parts.values()]).unique()
    names = keys.collect(engine="streaming")[key].sort()
    kept = pl.LazyFrame({key: names.filter(pl.Series(_mask(len(names), share, seed)))})
    return {
        name: part.join(kept, on=key, how="semi", maintain_order="left", nulls_equal=True)
        for name, part in parts.items()
    }


def random_shares(count: int, shares: Sequence[float], seed: int) -> list[NDArray[np.int64]]:
    """Draw disjoint sets of row numbers, each with its share of ``count`` rows."""
    order = np.random.default_rng(seed).permutation(count)
    ends = np.cumsum([0, *(round(share * count) for share in shares)])
    return [order[start:end] for start, end in pairwise(ends)]


def stratified_half(strata: NDArray[np.integer[Any]], seed: int) -> Mask:
    """Draw half of the rows such that every combination of ``strata`` [N, T] is halved.

    Returns a mask [N]. Of the combinations with an odd number of rows, every second one has its
    extra row chosen. The mask depends on the order of the combinations and on the seed only.
    """
    generator = np.random.default_rng(seed)
    chosen = np.zeros(len(strata), dtype=bool)
    order = np.lexsort(strata.T[::-1])  # stable: members are in the order of the rows
    ordered = strata[order]
    starts = np.flatnonzero((ordered[1:] != ordered[:-1]).any(axis=1)) + 1
    extra = 0
    for members in np.split(order, starts):
        rows = generator.permutation(members)
        half, odd = divmod(len(rows), 2)
        chosen[rows[: half + (extra if odd else 0)]] = True
        extra = 1 - extra if odd else extra
    return chosen


def _mask(count: int, share: float, seed: int) -> Mask:
    """A mask of exactly this share of rows, at least one."""
    mask = np.zeros(count, dtype=bool)
    mask[random_shares(count, [max(share, 1 / count)], seed)] = True
    return mask


def _where(part: pl.LazyFrame, mask: Mask) -> pl.LazyFrame:
    return part.with_columns(pl.Series("__here", mask)).filter("__here").drop("__here")
