"""A split's rows as contiguous tensors, from which a batch is one gather."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from itertools import islice
from typing import Any, NamedTuple, Protocol, Self

import torch
from torch import Tensor


class Piece(NamedTuple):
    """Part of a batch: its mean loss counts ``share`` beside the other parts', 1 on average, and
    stands for so many ``rows`` of the batch."""

    share: float
    rows: float


@dataclass(frozen=True)
class RowTensors:
    """Rows in memory: dense [N, D] float32, sparse [N, F] int32 ids, labels [N, T] uint8.

    ``given`` [N, K] float32: what a fused model's frozen members say of each row, where that was
    worked out beforehand. ``weights`` [N] float32: of the rows in the training loss. ``kinds`` of
    the tasks in their order, () if all are binary; otherwise labels are float32. ``piece``:
    what they are of a batch that several processes share.
    """

    dense: Tensor
    sparse: Tensor
    labels: Tensor
    given: Tensor | None = None
    weights: Tensor | None = None
    kinds: tuple[str, ...] = ()
    piece: Piece | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What a model reads of the rows: dense, sparse, and ``given`` where there is one."""
        return (self.dense, self.sparse, *([] if self.given is None else [self.given]))

    def to(self, device: torch.device) -> "RowTensors":
        """The same rows on ``device``."""
        return self._each(lambda column: column.to(device))

    @property
    def arrangement(self) -> tuple[int, ...]:
        """See `Rows`: here the number of rows alone."""
        return (len(self),)

    def shuffled(
        self, batch_size: int, generator: torch.Generator, done: int = 0
    ) -> Iterator["RowTensors"]:
        """An epoch's batches: see `Rows`."""
        return map(self.rows, islice(shuffled(len(self), batch_size, generator), done, None))

    def in_order(self, batch_size: int) -> Iterator["RowTensors"]:
        """All rows in their order: see `Rows`."""
        for start in range(0, max(len(self), 1), batch_size):
            yield self.part(start, start + batch_size)

    def rows(self, index: Tensor) -> "RowTensors":
        """The rows at ``index`` [B]."""
        return self._each(lambda column: column.index_select(0, index))

    def part(self, start: int, stop: int) -> "RowTensors":
        """The rows from ``start`` to before ``stop``, without a copy."""
        return self._each(lambda column: column[start:stop])

    def task(self, number: int) -> "RowTensors":
        """The same rows with the label of one task alone: labels [N, 1]."""
        labels, kinds = label_of(self.labels, self.kinds, number)
        return replace(self, labels=labels, kinds=kinds)

    def with_given(self, given: Tensor) -> "RowTensors":
        """The same rows with ``given`` [N, K]."""
        return replace(self, given=given)

    def as_piece(self, share: float, rows: float) -> "RowTensors":
        """The same rows as a part of a batch: see `Piece`."""
        return replace(self, piece=Piece(share, rows))

    def in_memory(self, copies: int, seed: int) -> "RowTensors":
        """These very rows: see `Rows`."""
        return self

    def _each(self, change: Callable[[Tensor], Tensor]) -> "RowTensors":
        columns: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        tensors = {name: value for name, value in columns.items() if isinstance(value, Tensor)}
        return RowTensors(**columns | {name: change(column) for name, column in tensors.items()})


class Rows(Protocol):
    """Rows of a split: `RowTensors` in memory, or a `Stream` of what doesn't fit.

    What is small is at hand, as in a `RowTensors`; dense and sparse columns come in batches.
    """

    @property
    def labels(self) -> Tensor: ...
    @property
    def weights(self) -> Tensor | None: ...
    @property
    def kinds(self) -> tuple[str, ...]: ...

    def __len__(self) -> int: ...

    @property
    def arrangement(self) -> tuple[int, ...]:
        """What the order of an epoch's batches depends on beside their size and the generator."""

    def shuffled(
        self, batch_size: int, generator: torch.Generator, done: int = 0
    ) -> Iterator[RowTensors]:
        """An epoch's batches in random order, each row once, of the sizes of `batch_sizes`.

        The first ``done`` of them are passed over, without reading them where that can be.
        """

    def in_order(self, batch_size: int) -> Iterator[RowTensors]:
        """All rows in their order, ``batch_size`` at a time."""

    def rows(self, index: Tensor) -> Self:
        """The rows at ``index`` [B], which rises."""

    def task(self, number: int) -> Self:
        """The same rows with the label of one task alone: labels [N, 1]."""

    def with_given(self, given: Tensor) -> Self:
        """The same rows with ``given`` [N, K] for models to read."""

    def in_memory(self, copies: int, seed: int) -> RowTensors:
        """For those who need all rows at once: the rows, or as many as fit ``copies`` times into
        memory, a random choice by ``seed`` in their order."""


def label_of(labels: Tensor, kinds: tuple[str, ...], number: int) -> tuple[Tensor, tuple[str, ...]]:
    """Labels [N, 1] and kinds of one task out of labels [N, T]."""
    own = labels[:, number : number + 1].contiguous()
    if kinds and kinds[number] != "binary":
        return own, (kinds[number],)
    return own.to(torch.uint8), ()


def joined(parts: list[RowTensors]) -> RowTensors:
    """The rows of ``parts``, one after another."""
    if len(parts) == 1:
        return parts[0]
    given = [part.given for part in parts if part.given is not None]
    weights = [part.weights for part in parts if part.weights is not None]
    return RowTensors(
        torch.cat([part.dense for part in parts]),
        torch.cat([part.sparse for part in parts]),
        torch.cat([part.labels for part in parts]),
        torch.cat(given) if given else None,
        torch.cat(weights) if weights else None,
        parts[0].kinds,
    )


def batch_sizes(rows: int, batch_size: int) -> list[int]:
    """Rows of each batch of an epoch.

    A last batch of a single row joins the one before: batch norm has no variance over one row.
    """
    full, rest = divmod(rows, batch_size)
    sizes = [batch_size] * full + [rest] * (rest > 0)
    if len(sizes) > 1 and sizes[-1] == 1:
        sizes[-2:] = [sizes[-2] + 1]
    return sizes or [0]


def count_batches(rows: int, batch_size: int) -> int:
    """Number of an epoch's batches."""
    return len(batch_sizes(rows, batch_size))


def shuffled(rows: int, batch_size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Row numbers of an epoch's batches in random order, each row once."""
    order = torch.randperm(rows, generator=generator, device=generator.device)
    return iter(torch.split(order, batch_sizes(rows, batch_size)))
