"""Processed Parquet as contiguous tensors, from which a batch is one gather."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch import Tensor

from emm.core.errors import DataError
from emm.data.schema import Schema, label_column


@dataclass(frozen=True)
class Table:
    """A split: dense [N, D] float32, sparse [N, F] int32 ids, labels [N, T] uint8."""

    dense: Tensor
    sparse: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> "Table":
        """The same rows on ``device``."""
        return Table(self.dense.to(device), self.sparse.to(device), self.labels.to(device))

    def rows(self, index: Tensor) -> "Table":
        """The rows at ``index`` [B]."""
        return Table(
            self.dense.index_select(0, index),
            self.sparse.index_select(0, index),
            self.labels.index_select(0, index),
        )

    def task(self, number: int) -> "Table":
        """The same rows with the label of one task alone: labels [N, 1]."""
        return Table(self.dense, self.sparse, self.labels[:, number : number + 1].contiguous())


def load_table(path: Path, schema: Schema) -> Table:
    """Read one split; raises DataError when the file lacks columns or can't be read."""
    labels = [label_column(task) for task in schema.tasks]
    try:
        frame = pl.read_parquet(path, columns=[*schema.dense_names, *schema.sparse_names, *labels])
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(
            f"{path} can't be read: {error}",
            where=path,
            next_step="dvc repro preprocess, or dvc checkout",
        ) from error
    return Table(
        _tensor(frame, schema.dense_names, np.float32),
        _tensor(frame, schema.sparse_names, np.int32),
        _tensor(frame, labels, np.uint8),
    )


def shuffled(rows: int, batch_size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Row numbers of an epoch's batches in random order, each row once.

    A last batch of a single row joins the one before: batch norm has no variance over one row.
    """
    order = torch.randperm(rows, generator=generator, device=generator.device)
    batches = list(torch.split(order, batch_size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return iter(batches)


def _tensor(frame: pl.DataFrame, columns: Sequence[str], kind: type[np.generic]) -> Tensor:
    values = frame.select(columns).to_numpy().astype(kind, order="C", copy=True)
    return torch.from_numpy(values.reshape(len(frame), len(columns)))
