"""Tables as Parquet files, and streams of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch import Tensor

from emm.data.tables.batches import Rows, RowTensors
from emm.data.tables.loading import Columns, Source
from emm.data.tables.memory import stream_of
from emm.data.tables.schema import WEIGHT
from emm.data.tables.stream import BLOCK, Stream

CPU = torch.device("cpu")


def numbered(rows: int) -> RowTensors:
    """A table whose every column holds the rows' numbers, and weights half of them."""
    numbers = torch.arange(rows).unsqueeze(1)
    labels = torch.cat([numbers, numbers // 7], dim=1) % 251
    return RowTensors(
        torch.cat([numbers, -numbers], dim=1).float(),
        numbers.int(),
        labels.byte(),
        given=numbers.float() * 3,
        weights=numbers[:, 0] / 2,
    )


def columns(table: RowTensors) -> Columns:
    widths = {"dense": table.dense, "sparse": table.sparse, "labels": table.labels}
    names = {k: tuple(f"{k}{n}" for n in range(v.shape[1])) for k, v in widths.items()}
    return Columns(**names, weight=() if table.weights is None else (WEIGHT,), kinds=table.kinds)


def write(table: RowTensors, path: Path, group: int) -> Columns:
    """Write all but ``given`` as Parquet with row groups of ``group`` rows."""
    named = columns(table)
    held = {"dense": table.dense, "sparse": table.sparse, "labels": table.labels}
    frame: dict[str, np.ndarray] = {}
    for names, tensor in zip((named.dense, named.sparse, named.labels), held.values(), strict=True):
        frame |= {name: tensor[:, n].numpy() for n, name in enumerate(names)}
    if table.weights is not None:
        frame[WEIGHT] = table.weights.numpy()
    pl.DataFrame(frame).write_parquet(path, row_group_size=group)
    return named


def stream(
    table: RowTensors, path: Path, *, group: int = 64, window: int = 10**6, block: int = BLOCK
) -> Stream:
    """The rows of ``table`` as a stream with windows of at most ``window`` rows."""
    found = stream_of(Source(path, write(table, path, group)), 0, CPU)
    if table.given is not None:
        found = found.with_given(table.given)
    return replace(found, memory=2 * window * found._row_bytes, block=block)


def everything(rows: Rows, batch: int = 50) -> Tensor:
    """All columns of all rows in order, as numbers: [N, K]."""
    return torch.cat([flat(part) for part in rows.in_order(batch)])


def flat(table: RowTensors) -> Tensor:
    """All columns of a table as numbers: [N, K]."""
    held = [table.dense, table.sparse, table.labels, table.given]
    parts = [part.double() for part in held if part is not None]
    if table.weights is not None:
        parts.append(table.weights.double().unsqueeze(1))
    return torch.cat(parts, dim=1)
