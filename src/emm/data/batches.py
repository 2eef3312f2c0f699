"""Processed Parquet as contiguous tensors, from which a batch is one gather."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from math import ceil
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch import Tensor

from emm.core.errors import DataError
from emm.data.schema import WEIGHT, Schema, label_column


@dataclass(frozen=True)
class Table:
    """A split: dense [N, D] float32, sparse [N, F] int32 ids, labels [N, T] uint8.

    ``given`` [N, K] float32: what a fused model's frozen members say of each row, where that was
    worked out beforehand. ``weights`` [N] float32: of the rows in the training loss.
    """

    dense: Tensor
    sparse: Tensor
    labels: Tensor
    given: Tensor | None = None
    weights: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What a model reads of the rows: dense, sparse, and ``given`` where there is one."""
        return (self.dense, self.sparse, *([] if self.given is None else [self.given]))

    def to(self, device: torch.device) -> "Table":
        """The same rows on ``device``."""
        return self._each(lambda column: column.to(device))

    def rows(self, index: Tensor) -> "Table":
        """The rows at ``index`` [B]."""
        return self._each(lambda column: column.index_select(0, index))

    def task(self, number: int) -> "Table":
        """The same rows with the label of one task alone: labels [N, 1]."""
        return replace(self, labels=self.labels[:, number : number + 1].contiguous())

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Table":
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        held = {name: column for name, column in columns.items() if column is not None}
        return replace(self, **{name: change(column) for name, column in held.items()})


def load_table(path: Path, schema: Schema, *, weighted: bool = False) -> Table:
    """Read one split, ``weighted`` with the dataset's own weights of its rows.

    Raises DataError when the file lacks columns or can't be read, and where there are no weights.
    """
    labels = [label_column(task) for task in schema.tasks]
    weight = [WEIGHT] if weighted else []
    if weighted and schema.weight is None:
        raise DataError(
            f"{schema.dataset} has no weights of its rows",
            where="training.sample_weights in params.yaml",
            next_step="set it to false",
        )
    columns = [*schema.dense_names, *schema.sparse_names, *labels, *weight]
    try:
        frame = pl.read_parquet(path, columns=columns)
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
        weights=_tensor(frame, weight, np.float32).squeeze(1) if weighted else None,
    )


def count_batches(rows: int, batch_size: int) -> int:
    """Number of batches that `shuffled` gives."""
    return max(1, ceil(rows / batch_size) - (rows > batch_size and rows % batch_size == 1))


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
