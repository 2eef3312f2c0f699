"""A split that doesn't fit into memory, read from Parquet through a shuffle window."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from emm.data.tables.batches import RowTensors, batch_sizes, joined, label_of
from emm.data.tables.loading import Source

BLOCK = 65_536
"""Rows of the file that stay together on their way into a window: about a row group's."""

WINDOW_BYTES = 2**30
WINDOWS = 8  # an epoch at least: the first is waited for, the others are read meanwhile

Span = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Stream:
    """Rows of a file in the file's order; the interface is `emm.data.tables.batches.Rows`.

    Dense and sparse columns are read as they are needed; labels [N, T], ``given`` [N, K] and
    ``weights`` [N] are held, on the device that batches are wanted on. ``memory``: bytes that its
    windows may take, two at a time. ``index`` [N] int64: the rows' numbers in the file, which
    rise; None: all rows. ``block``: rows of the file that are read together.

    In an epoch the blocks come in random order, and as many as make a window are shuffled
    together, so the order depends on the generator and on the window's rows, which ``memory``
    decides only where it is less than twice `WINDOW_BYTES`. DataError when the file can't be read.
    """

    source: Source
    labels: Tensor
    memory: int
    kinds: tuple[str, ...] = ()
    given: Tensor | None = None
    weights: Tensor | None = None
    index: Tensor | None = None
    block: int = BLOCK

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def arrangement(self) -> tuple[int, ...]:
        """What the order of batches depends on: rows, those of a window, and of a block."""
        return len(self), self._shuffled_rows, self.block

    def shuffled(
        self, batch_size: int, generator: torch.Generator, done: int = 0
    ) -> Iterator[RowTensors]:
        """An epoch's batches in random order, each row once, of the sizes of `batch_sizes`.

        Nothing is read of the windows whose rows are all in the first ``done`` batches.
        """
        blocks = self._blocks(self._shuffled_rows)
        order = torch.randperm(len(blocks), generator=generator, device=generator.device)
        groups = _groups([blocks[number] for number in order.tolist()], self._shuffled_rows)
        sizes = batch_sizes(len(self), batch_size)
        past, rows = 0, sum(sizes[:done])
        while past < len(groups) and _rows(groups[past]) <= rows:
            rows -= _rows(groups[past])
            # Drawn all the same: the other windows' orders come after it.
            torch.randperm(_rows(groups[past]), generator=generator, device=generator.device)
            past += 1
        return _batches(self._windows(groups[past:]), sizes[done:], generator, rows)

    def in_order(self, batch_size: int) -> Iterator[RowTensors]:
        """All rows in their order, ``batch_size`` at a time."""
        window = min(self._most(), max(self.block, batch_size))
        full, rest = divmod(len(self), batch_size)
        sizes = [batch_size] * full + [rest] * (rest > 0)
        return _batches(self._windows(_groups(self._blocks(window), window)), sizes)

    def rows(self, index: Tensor) -> "Stream":
        """The rows at ``index`` [B], which rises."""
        numbers = index.cpu()
        return replace(
            self,
            labels=self.labels.index_select(0, index),
            given=None if self.given is None else self.given.index_select(0, index),
            weights=None if self.weights is None else self.weights.index_select(0, index),
            index=numbers if self.index is None else self.index[numbers],
        )

    def task(self, number: int) -> "Stream":
        """The same rows with the label of one task alone: labels [N, 1]."""
        labels, kinds = label_of(self.labels, self.kinds, number)
        return replace(self, labels=labels, kinds=kinds)

    def with_given(self, given: Tensor) -> "Stream":
        """The same rows with ``given`` [N, K] for models to read."""
        return replace(self, given=given)

    def in_memory(self, copies: int, seed: int) -> RowTensors:
        """As many rows as fit ``copies`` times into ``memory``, a random choice by ``seed``."""
        most = max(1, self.memory // (copies * self._row_bytes))
        if most < len(self):
            chosen = np.random.default_rng(seed).choice(len(self), most, replace=False)
            index = torch.from_numpy(np.sort(chosen)).to(self.labels.device)
            return self.rows(index).in_memory(copies, seed)
        blocks = self._blocks(self.block)
        return self._window(blocks, self._read(blocks))

    @property
    def _row_bytes(self) -> int:
        held = [self.labels, self.given, self.weights]
        own = sum(x[:1].numel() * x.element_size() for x in held if x is not None)
        return self.source.columns.row_bytes + own

    @property
    def _shuffled_rows(self) -> int:
        """Rows of a window that is shuffled."""
        return min(self._most(), max(self.block, len(self) // WINDOWS))

    def _most(self) -> int:
        """Rows of the largest window."""
        return max(1, min(self.memory // 2, WINDOW_BYTES) // self._row_bytes)

    def _blocks(self, window: int) -> list[Span]:
        """First and last place, exclusive, of the rows in each block of the file, if any."""
        edges = torch.arange(0, self.source.rows + 1, min(self.block, window))
        if edges[-1] < self.source.rows:
            edges = torch.cat([edges, torch.tensor([self.source.rows])])
        if self.index is not None:
            edges = torch.searchsorted(self.index, edges)
        return [(first, last) for first, last in pairwise(edges.tolist()) if first < last]

    def _windows(self, groups: Sequence[Sequence[Span]]) -> Iterator[RowTensors]:
        """The rows of each group of blocks."""
        # As `map`, which unlike a loop holds none of the tables that it gives.
        return map(self._window, groups, ahead([partial(self._read, group) for group in groups]))

    def _read(self, blocks: Sequence[Span]) -> RowTensors:
        """Dense and sparse columns of the blocks, in main memory."""
        pinned = self.labels.is_cuda
        table = self.source.columns.empty(_rows(blocks), pinned=pinned)
        at = 0
        for first, last in blocks:
            if self.index is None:
                self.source.read(table, at, first, last)
            else:
                self.source.pick(table, at, self.index[first:last])
            at += last - first
        return table

    def _window(self, blocks: Sequence[Span], read: RowTensors) -> RowTensors:
        """The blocks' rows with what is held of them, on the device."""
        device = self.labels.device
        return RowTensors(
            read.dense.to(device, non_blocking=True),
            read.sparse.to(device, non_blocking=True),
            _at(blocks, self.labels),
            None if self.given is None else _at(blocks, self.given),
            None if self.weights is None else _at(blocks, self.weights),
            self.kinds,
        )


def ahead(jobs: Sequence[Callable[[], RowTensors]]) -> Iterator[RowTensors]:
    """Each job's result in turn; a thread works on the next one while the last is used.

    What a job raises is raised here. The thread ends with the iterator, also if that is closed
    early.
    """
    with ThreadPoolExecutor(max_workers=1) as thread:
        upcoming = thread.submit(jobs[0]) if jobs else None
        for job in [*jobs[1:], None]:
            if upcoming is None:
                return
            result = [upcoming.result()]
            upcoming = None if job is None else thread.submit(job)
            yield result.pop()  # nothing here keeps it beyond its use


def _batches(
    windows: Iterator[RowTensors],
    sizes: Sequence[int],
    generator: torch.Generator | None = None,
    start: int = 0,
) -> Iterator[RowTensors]:
    """The windows' rows in batches of ``sizes``, each window shuffled if there is a generator,
    from the place ``start`` of the first window on."""
    remaining = iter(sizes)
    wanted, parts = next(remaining, 0), list[RowTensors]()
    for window in windows:
        order = _order(window, generator)
        while start < len(order):
            parts.append(window.rows(order[start : start + wanted]))
            start += len(parts[-1])
            wanted -= len(parts[-1])
            if wanted == 0:
                yield joined(parts)
                wanted, parts = next(remaining, 0), []
        start = 0
        del window  # before the next one is waited for


def _order(window: RowTensors, generator: torch.Generator | None) -> Tensor:
    if generator is None:
        return torch.arange(len(window), device=window.labels.device)
    return torch.randperm(len(window), generator=generator, device=generator.device)


def _groups(blocks: Sequence[Span], window: int) -> list[list[Span]]:
    """The blocks, as many at a time as don't exceed ``window`` rows."""
    groups: list[list[Span]] = []
    rows = window
    for block in blocks:
        rows += _rows([block])
        if rows > window:
            groups.append([])
            rows = _rows([block])
        groups[-1].append(block)
    return groups


def _rows(blocks: Sequence[Span]) -> int:
    return sum(last - first for first, last in blocks)


def _at(blocks: Sequence[Span], column: Tensor) -> Tensor:
    return torch.cat([column[first:last] for first, last in blocks])
