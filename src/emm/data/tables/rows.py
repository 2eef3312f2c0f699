"""Rows of a split as tensors, and their batches."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from itertools import islice
from typing import Any, NamedTuple, Protocol, Self

import torch
from torch import Tensor

from emm.data.tables.outputs import output_columns
from emm.data.tables.schema import BINARY, CLASSES
from emm.data.tables.soft_targets import Distillation


class Piece(NamedTuple):
    """One process's part of a batch in distributed training.

    Attributes:
        share: weighs its mean losses against those of the other parts, 1 on average.
        row_share: the same for means that ignore the weights of rows.
        rows: number of rows that it accounts for in sums over the epoch.
    """

    share: float
    row_share: float
    rows: float


@dataclass(frozen=True)
class RowTensors:
    """Rows in memory; a batch is one gather from these contiguous tensors.

    Args:
        dense: [N, D] float32.
        sparse: [N, F] int32 ids.
        labels: [N, T] uint8, or float32 if any task isn't binary or any label may be missing.
            The label of a task of classes is the number of its class; a missing label is NaN.
        cached_predictions: [N, K] float32, predictions of a fused model's frozen members that
            were computed beforehand.
        weights: [N] float32, of the rows in the training loss.
        groups: [N] int32, numbers from 0 of the groups of rows that share a fold
            (`emm.data.tables.folds`); only of train, and not of its batches.
        soft_targets: [N, O] float32, the logits of a teacher.
        distillation: how the rows teach with them.
        kinds: kind of each task; () if all are binary.
        outputs: number of a model's outputs for each task; () if each has one.
        partly_labelled: whether labels may be missing.
        piece: set if several processes share the batch.
    """

    dense: Tensor
    sparse: Tensor
    labels: Tensor
    cached_predictions: Tensor | None = None
    weights: Tensor | None = None
    groups: Tensor | None = None
    soft_targets: Tensor | None = None
    distillation: Distillation | None = None
    kinds: tuple[str, ...] = ()
    outputs: tuple[int, ...] = ()
    partly_labelled: bool = False
    piece: Piece | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The arguments of a model: dense, sparse, and ``cached_predictions`` if there are any."""
        cached = [] if self.cached_predictions is None else [self.cached_predictions]
        return (self.dense, self.sparse, *cached)

    def to(self, device: torch.device) -> "RowTensors":
        """The same rows on ``device``."""
        return self._each(lambda column: column.to(device))

    @property
    def arrangement(self) -> tuple[int, ...]:
        """See `Rows`: the number of rows is all that counts here."""
        return (len(self),)

    def shuffled(
        self, batch_size: int, generator: torch.Generator, done: int = 0
    ) -> Iterator["RowTensors"]:
        """See `Rows`."""
        rows = replace(self, groups=None)
        return map(rows.rows, islice(shuffled(len(self), batch_size, generator), done, None))

    def in_order(self, batch_size: int) -> Iterator["RowTensors"]:
        """See `Rows`."""
        rows = replace(self, groups=None)
        for start in range(0, max(len(self), 1), batch_size):
            yield rows.part(start, start + batch_size)

    def rows(self, index: Tensor) -> "RowTensors":
        """The rows at ``index`` [B], in any order."""
        return self._each(lambda column: column.index_select(0, index))

    def part(self, start: int, stop: int) -> "RowTensors":
        """The rows from ``start`` up to ``stop``, as a view."""
        return self._each(lambda column: column[start:stop])

    def task(self, number: int) -> "RowTensors":
        """See `Rows`."""
        of_task: RowTensors = rows_of_task(self, number)
        return of_task

    def with_cached_predictions(self, predictions: Tensor) -> "RowTensors":
        """The same rows with ``predictions`` [N, K] as input of a fused model."""
        return replace(self, cached_predictions=predictions)

    def with_labels(self, labels: Tensor) -> "RowTensors":
        """See `Rows`."""
        return replace(self, labels=labels)

    def as_piece(self, piece: Piece) -> "RowTensors":
        """The same rows, marked as one process's part of a batch."""
        return replace(self, piece=piece)

    def in_memory(self, copies: int, seed: int) -> "RowTensors":
        """See `Rows`: these rows themselves."""
        return self

    def _each(self, change: Callable[[Tensor], Tensor]) -> "RowTensors":
        columns: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        tensors = {name: value for name, value in columns.items() if isinstance(value, Tensor)}
        return RowTensors(**columns | {name: change(column) for name, column in tensors.items()})


class Rows(Protocol):
    """Rows of a split: `RowTensors` in memory, or a `Stream` from disk.

    Labels, weights, groups and soft targets are always in memory; dense and sparse columns come in
    batches.
    """

    @property
    def labels(self) -> Tensor: ...
    @property
    def weights(self) -> Tensor | None: ...
    @property
    def groups(self) -> Tensor | None: ...
    @property
    def soft_targets(self) -> Tensor | None: ...
    @property
    def distillation(self) -> Distillation | None: ...
    @property
    def kinds(self) -> tuple[str, ...]: ...
    @property
    def outputs(self) -> tuple[int, ...]: ...
    @property
    def partly_labelled(self) -> bool: ...

    def __len__(self) -> int: ...

    @property
    def arrangement(self) -> tuple[int, ...]:
        """What determines the order of an epoch's batches, besides batch size and generator."""

    def shuffled(
        self, batch_size: int, generator: torch.Generator, done: int = 0
    ) -> Iterator[RowTensors]:
        """Yield an epoch's batches in random order, each row once, of the sizes `batch_sizes`.

        The first ``done`` batches are skipped, if possible without reading them.
        """

    def in_order(self, batch_size: int) -> Iterator[RowTensors]:
        """Yield all rows in order, ``batch_size`` at a time."""

    def rows(self, index: Tensor) -> Self:
        """The rows at ``index`` [B], in ascending order."""

    def task(self, number: int) -> Self:
        """The rows of one task that teach, in order, with its labels [N', 1] only: the labelled
        ones, or all with soft targets."""

    def with_cached_predictions(self, predictions: Tensor) -> Self:
        """The same rows with ``predictions`` [N, K] as input of a fused model."""

    def with_labels(self, labels: Tensor) -> Self:
        """The same rows with other labels [N, T]."""

    def in_memory(self, copies: int, seed: int) -> RowTensors:
        """All rows at once, if ``copies`` of them fit into memory.

        Otherwise a random sample of as many rows as do, chosen by ``seed``, in order.
        """


def rows_of_task(rows: Any, number: int) -> Any:
    """See `Rows.task`; ``rows`` are `RowTensors` or a `Stream`."""
    kind = rows.kinds[number] if rows.kinds else BINARY
    label = rows.labels[:, number : number + 1]
    taught = rows.soft_targets is not None  # rows without a label learn, too
    if taught:
        own = rows.soft_targets[:, output_columns(rows.outputs, number)]
        rows = replace(rows, soft_targets=own.contiguous())
    elif rows.partly_labelled:
        labelled = (~label.isnan()).flatten().nonzero().squeeze(1)
        if len(labelled) < len(rows):
            rows, label = rows.rows(labelled), label.index_select(0, labelled)
    unknown = taught and rows.partly_labelled
    return replace(
        rows,
        labels=label.to(torch.uint8) if kind == BINARY and not unknown else label.contiguous(),
        kinds=() if kind == BINARY else (kind,),
        outputs=(rows.outputs[number],) if kind == CLASSES else (),
        partly_labelled=unknown,
    )


def joined(parts: list[RowTensors]) -> RowTensors:
    """The rows of ``parts``, one part after another; all have the same columns."""
    if len(parts) == 1:
        return parts[0]
    names = [name for name, value in vars(parts[0]).items() if isinstance(value, Tensor)]
    columns: dict[str, Any] = {
        name: torch.cat([getattr(part, name) for part in parts]) for name in names
    }
    return replace(parts[0], piece=None, **columns)


def batch_sizes(rows: int, batch_size: int) -> list[int]:
    """Number of rows in each batch of an epoch.

    A last batch of a single row joins the one before: batch norm has no variance over one row.
    """
    full, rest = divmod(rows, batch_size)
    sizes = [batch_size] * full + [rest] * (rest > 0)
    if len(sizes) > 1 and sizes[-1] == 1:
        sizes[-2:] = [sizes[-2] + 1]
    return sizes or [0]


def count_batches(rows: int, batch_size: int) -> int:
    """Number of batches in an epoch."""
    return len(batch_sizes(rows, batch_size))


def shuffled(rows: int, batch_size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Row numbers of an epoch's batches in random order, each row once."""
    order = torch.randperm(rows, generator=generator, device=generator.device)
    return iter(torch.split(order, batch_sizes(rows, batch_size)))
