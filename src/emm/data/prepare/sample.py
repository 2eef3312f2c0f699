"""A part of the rows, for a run on a laptop."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from emm.data.prepare.draws import drawn

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Sample:
    """The same share of every part: a ``fraction``, or ``rows`` of the first part.

    With a ``key``, whole keys are taken: the share is then one of keys, and of rows on average.
    """

    fraction: float | None = None
    rows: int | None = None
    key: str | None = None


def sampled(
    parts: Mapping[str, pl.LazyFrame], sample: Sample, seed: int
) -> dict[str, pl.LazyFrame]:
    """The sample's rows of every part, in their order."""
    counts = {name: int(part.select(pl.len()).collect().item()) for name, part in parts.items()}
    first = next(iter(counts.values()))
    share = sample.fraction or 1.0
    if sample.rows is not None:
        share = min(share, sample.rows / first)
    key = sample.key
    if key is None:
        return {
            name: _where(part, _drawn(counts[name], share, seed)) for name, part in parts.items()
        }
    keys = pl.concat([part.select(key) for part in parts.values()]).unique()
    names = keys.collect(engine="streaming")[key].sort()
    kept = names.filter(pl.Series(_drawn(len(names), share, seed)))
    table = pl.LazyFrame({key: kept})
    return {
        name: part.join(table, on=key, how="semi", maintain_order="left", nulls_equal=True)
        for name, part in parts.items()
    }


def _drawn(count: int, share: float, seed: int) -> Mask:
    """A mask of exactly this share, at least one."""
    mask = np.zeros(count, dtype=bool)
    mask[drawn(count, [max(share, 1 / count)], seed)] = True
    return mask


def _where(part: pl.LazyFrame, mask: Mask) -> pl.LazyFrame:
    return part.with_columns(pl.Series("__here", mask)).filter("__here").drop("__here")
