"""Groups of the rows of train that share a fold, by the rule that splits the dataset.

Folds repeat within train what the split does between train and test. So a split by key has a group
for each key, and a split by time has blocks of time. Otherwise rows with identical features are a
group: a model that has learned one of them by heart knows the others.
"""

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from emm.data.datasets.split_rules import ByKey, ByTime, HeldOut, Split
from emm.data.prepare.checks.table import features_hash, open_split
from emm.data.tables.names import GROUP, GROUPS
from emm.data.tables.schema import Schema

BLOCKS = 100
"""Blocks of a split by time, where there are so many times."""

_ROWS = 2**24  # whose order is in memory at a time

Codes = NDArray[np.uint64]


def write_groups(split: Split, train: pl.LazyFrame, schema: Schema, out: Path) -> None:
    """Write the group of each row of train to ``out``, which has the encoded splits.

    ``train``: the same rows in the same order, with the column that the split reads. Groups are
    numbered from 0 in the order of their first rows. Memory grows by a few bytes per row.
    """
    groups = numbered(_codes(split, train, schema, out))
    pl.DataFrame({GROUP: groups}).write_parquet(out / GROUPS)


def _codes(split: Split, train: pl.LazyFrame, schema: Schema, out: Path) -> Codes:
    """A number [N] for each row that is equal within a group."""
    if isinstance(split, ByTime):
        return _blocks(train, split.column)
    key = split.column if isinstance(split, ByKey) else None
    key = split.key if isinstance(split, HeldOut) else key
    if key is not None:
        return _collect(train.select(pl.col(key).hash(seed=1)))
    # Hashes of 64 bits: if two differing rows ever had the same, they would only share a fold.
    return _collect(open_split(out, "train", schema).select(features_hash(schema)))


def _blocks(train: pl.LazyFrame, column: str) -> Codes:
    """The number of the block of time of each row; blocks have about equally many rows.

    All rows of one time are in the block of the middle one of them.
    """
    time = pl.col(column).alias("__time")  # a column may have any name, also "rows"
    times = train.group_by(time).len("__rows").sort("__time").collect(engine="streaming")
    lengths = times["__rows"].cast(pl.Int64)
    middle = lengths.cum_sum() - lengths / 2
    block = (middle * BLOCKS / lengths.sum()).floor().cast(pl.UInt64)
    blocks = pl.LazyFrame({"__time": times["__time"], "__block": block})
    found = train.select(time).join(blocks, on="__time", how="left", maintain_order="left")
    return _collect(found.select("__block"))


def _collect(rows: pl.LazyFrame) -> Codes:
    return rows.collect(engine="streaming").to_series().to_numpy()


def numbered(codes: Codes) -> NDArray[np.int32]:
    """Number equal codes [N] alike, from 0 in the order in which they first occur."""
    first = np.empty(len(codes), np.int32)
    parts = np.uint64(1 + len(codes) // _ROWS)
    for part in range(int(parts)):
        rows = np.flatnonzero(codes % parts == part) if parts > 1 else np.arange(len(codes))
        order = rows[np.argsort(codes[rows], kind="stable")]
        ordered = codes[order]
        starts = np.r_[True, ordered[1:] != ordered[:-1]][: len(order)]
        first[order] = order[starts][np.cumsum(starts) - 1]
    new = first == np.arange(len(codes), dtype=np.int32)
    return (np.cumsum(new, dtype=np.int32) - 1)[first]
