"""Rows written to Parquet files, and streams of these files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch import Tensor

from emm.data.tables.loading import Columns, SplitFile
from emm.data.tables.memory import open_stream
from emm.data.tables.names import WEIGHT
from emm.data.tables.rows import Rows, RowTensors
from emm.data.tables.stream import BLOCK, Stream

CPU = torch.device("cpu")


def numbered(count: int) -> RowTensors:
    """Rows in which every column holds the row number or a function of it."""
    numbers = torch.arange(count).unsqueeze(1)
    labels = torch.cat([numbers, numbers // 7], dim=1) % 251
    return RowTensors(
        torch.cat([numbers, -numbers], dim=1).float(),
        numbers.int(),
        labels.byte(),
        cached_predictions=numbers.float() * 3,
        weights=numbers[:, 0] / 2,
    )


def columns(rows: RowTensors) -> Columns:
    widths = {"dense": rows.dense, "sparse": rows.sparse, "labels": rows.labels}
    names = {k: tuple(f"{k}{n}" for n in range(v.shape[1])) for k, v in widths.items()}
    return Columns(
        **names,
        weight=() if rows.weights is None else (WEIGHT,),
        kinds=rows.kinds,
        outputs=rows.outputs,
        partly_labelled=rows.partly_labelled,
    )


def write(rows: RowTensors, path: Path, group: int) -> Columns:
    """Write all columns but cached predictions as Parquet with row groups of ``group`` rows."""
    named = columns(rows)
    pairs = (
        (named.dense, rows.dense),
        (named.sparse, rows.sparse),
        (named.labels, rows.labels),
    )
    frame: dict[str, np.ndarray] = {}
    for names, tensor in pairs:
        frame |= {name: tensor[:, n].numpy() for n, name in enumerate(names)}
    if rows.weights is not None:
        frame[WEIGHT] = rows.weights.numpy()
    pl.DataFrame(frame).write_parquet(path, row_group_size=group)
    return named


def stream(
    rows: RowTensors, path: Path, *, group: int = 64, window: int = 10**6, block: int = BLOCK
) -> Stream:
    """The rows as a stream with windows of at most ``window`` rows."""
    found = open_stream(SplitFile(path, write(rows, path, group)), 0, CPU)
    if rows.cached_predictions is not None:
        found = found.with_cached_predictions(rows.cached_predictions)
    return replace(found, memory=2 * window * found._row_bytes, block=block)


def everything(rows: Rows, batch: int = 50) -> Tensor:
    """All columns of all rows in order, as numbers: [N, K]."""
    return torch.cat([flat(part) for part in rows.in_order(batch)])


def flat(rows: RowTensors) -> Tensor:
    """All columns as numbers: [N, K]."""
    tensors = [rows.dense, rows.sparse, rows.labels, rows.cached_predictions]
    parts = [tensor.double() for tensor in tensors if tensor is not None]
    if rows.weights is not None:
        parts.append(rows.weights.double().unsqueeze(1))
    return torch.cat(parts, dim=1)
