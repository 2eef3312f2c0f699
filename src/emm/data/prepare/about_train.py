"""What new rows are compared with: how train's dense columns are distributed, and its funnel.

Shapes: N rows, E edges.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from emm.data.tables.inputs import Bins, Inputs
from emm.data.tables.names import label_column
from emm.data.tables.schema import DenseColumn, Schema

MOST_EDGES = 9
"""Ten bins are usual for a population stability index."""

_SLICE = 262_144  # rows; those of a row group of the file


def with_train(inputs: Inputs, processed: Path, schema: Schema) -> Inputs:
    """The inputs with what the rows of train say; ``processed``: has train.parquet."""
    train = processed / "train.parquet"
    return replace(inputs, bins=train_bins(train, schema), given_click=_given_click(train, schema))


def train_bins(train: Path, schema: Schema) -> dict[str, Bins]:
    """How each dense column of train.parquet is distributed, by its stored name."""
    edges = {column.name: edges_of(column) for column in schema.dense}
    counts = {name: np.zeros(len(each) + 2, np.int64) for name, each in edges.items()}
    for rows in _slices(train, schema.dense_names):
        for name, each in edges.items():
            counts[name][:-1] += bin_counts(rows[name], each)
    for column in schema.dense:
        _move_missing(counts[column.name], column, edges[column.name])
    total = max(schema.splits["train"].rows, 1)
    return {
        name: Bins(tuple(map(float, edges[name])), tuple(float(f"{n / total:.6g}") for n in found))
        for name, found in counts.items()
    }


def edges_of(column: DenseColumn) -> NDArray[np.float32]:
    """Up to `MOST_EDGES` of a column's quantiles as stored values, without the lowest value."""
    scaled = np.unique(np.array([column.scaled(each) for each in column.quantiles], np.float32))
    inner = scaled[scaled > np.float32(column.scaled(column.minimum))]
    if len(inner) <= MOST_EDGES:
        return inner
    places = np.linspace(0, len(inner) - 1, MOST_EDGES + 2)[1:-1].round().astype(int)
    chosen: NDArray[np.float32] = inner[places]
    return chosen


def bin_counts(values: pl.Series, edges: NDArray[np.float32]) -> NDArray[np.int64]:
    """The number of stored values [N] in each bin [E + 1]."""
    places = np.searchsorted(edges, values.to_numpy(), side="right")
    return np.bincount(places, minlength=len(edges) + 1)


def _move_missing(
    counts: NDArray[np.int64], column: DenseColumn, edges: NDArray[np.float32]
) -> None:
    """Count missing values, which are stored as the mean, in the last of the ``counts`` [E + 2]."""
    place = np.searchsorted(edges, np.float32(column.scaled(column.mean)), side="right")
    counts[place] -= column.missing
    counts[-1] = column.missing


def _given_click(train: Path, schema: Schema) -> bool:
    """Whether conversions are known for clicked rows only, as `emm.metrics.funnels` has it."""
    if not (schema.funnel and schema.partly_labelled):
        return False
    click, conversion = (pl.col(label_column(task)) for task in schema.funnel)
    known, clicked = conversion.is_not_null(), (click == 1).fill_null(value=False)
    found: Mapping[str, bool] = (
        pl.scan_parquet(train)
        .select(after=(known & clicked).any(), without=(known & ~clicked).any())
        .collect()
        .row(0, named=True)
    )
    return found["after"] and not found["without"]


def _slices(path: Path, names: list[str]) -> Iterator[pl.DataFrame]:
    scan = pl.scan_parquet(path, glob=False)
    rows = int(scan.select(pl.len()).collect().item()) if names else 0
    for start in range(0, rows, _SLICE):
        yield scan.slice(start, _SLICE).select(names).collect()
