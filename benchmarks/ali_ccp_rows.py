"""Generated processed rows in the shape of Ali-CCP: 23 sparse fields, 8 dense features, two labels.

A few fields have most of the 1.2 million ids, and small ids are common. The labels depend on the
first dense feature, so that there is something to learn.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from benchmarks.generated_schema import generated_schema
from emm.data.tables.names import GROUP, GROUPS, label_column
from emm.data.tables.rows import RowTensors
from emm.data.tables.schema import Schema
from emm.nn.inputs import Inputs

ROWS = 42_300_000  # those of train in the published data
TASKS = ("click", "purchase")
DENSE, FIELDS, IDS = 8, 23, 1_200_000
_BLOCK = 1_000_000
_RATES = (0.08, 0.02)


def cardinalities(ids: int = IDS) -> tuple[int, ...]:
    """Numbers of ids of the fields, in all about ``ids``: each has half as many as the one before,
    the last ones three."""
    return tuple(max(ids >> (field + 1), 3) for field in range(FIELDS))


def inputs(ids: int = IDS) -> Inputs:
    return Inputs(DENSE, cardinalities(ids))


def schema(ids: int = IDS) -> Schema:
    return generated_schema(TASKS, DENSE, cardinalities(ids))


def tensors(rows: int, ids: int = IDS) -> RowTensors:
    """``rows`` rows in memory."""
    blocks = list(_blocks(rows, ids))
    dense, sparse, labels = (
        torch.from_numpy(np.concatenate([block[part] for block in blocks])) for part in range(3)
    )
    return RowTensors(dense, sparse, labels)


def write(folder: Path, rows: int, ids: int = IDS) -> None:
    """Write train.parquet and groups.parquet as preprocessing does, block by block."""
    about, parts = schema(ids), []
    for number, (dense, sparse, labels) in enumerate(_blocks(rows, ids)):
        frame = {name: dense[:, n] for n, name in enumerate(about.dense_names)}
        frame |= {name: sparse[:, n] for n, name in enumerate(about.sparse_names)}
        frame |= {label_column(task): labels[:, n] for n, task in enumerate(TASKS)}
        parts.append(folder / f"part-{number}.parquet")
        pl.DataFrame(frame).write_parquet(parts[-1], compression="lz4", statistics=False)
    pl.scan_parquet(parts).sink_parquet(folder / "train.parquet", compression="lz4")
    for part in parts:
        part.unlink()
    groups = pl.int_range(rows, dtype=pl.Int32, eager=True).alias(GROUP)
    groups.to_frame().write_parquet(folder / GROUPS)


def _blocks(rows: int, ids: int) -> Iterator[tuple[NDArray[np.float32], ...]]:
    """dense [B, D], sparse [B, F] and labels [B, T] of a million rows at a time."""
    sizes = np.array(cardinalities(ids), np.float32)
    for start in range(0, rows, _BLOCK):
        generator = np.random.default_rng([0, start])
        count = min(_BLOCK, rows - start)
        dense = generator.random((count, DENSE), np.float32)
        sparse = (generator.random((count, FIELDS), np.float32) ** 4 * sizes).astype(np.int32)
        chances = 2 * dense[:, :1] * np.array(_RATES, np.float32)
        labels = (generator.random((count, len(TASKS)), np.float32) < chances).astype(np.uint8)
        yield dense, np.minimum(sparse, sizes.astype(np.int32) - 1), labels
