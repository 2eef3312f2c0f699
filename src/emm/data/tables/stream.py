"""Stream a split that doesn't fit into memory from Parquet, shuffled in windows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from emm.data.tables.loading import SplitFile
from emm.data.tables.prefetch import prefetch
from emm.data.tables.rows import RowTensors, batch_sizes, joined, rows_of_task
from emm.data.tables.soft_targets import Distillation

BLOCK = 65_536
"""Rows of the file that are read together into a window; about a row group."""

WINDOW_BYTES = 2**30
MIN_WINDOWS = 8  # per epoch: training waits for the first one only, the others are prefetched

Span = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Stream:
    """Rows of a file, in the file's order; implements `emm.data.tables.rows.Rows`.

    Dense and sparse columns are read when needed. All others are held on the device of the batches.

    In an epoch the blocks of the file are read in random order, and the blocks of each window are
    shuffled together. The order of rows thus depends on the generator and on the window size,
    which in turn depends on ``memory`` only if that is less than twice `WINDOW_BYTES`.

    Args:
        file: the dense and sparse columns.
        labels: [N, T].
        memory: bytes available to windows, two of which are in memory at a time.
        kinds, outputs, partly_labelled, distillation: see `RowTensors`.
        cached_predictions: [N, K].
        weights: [N].
        groups: [N].
        soft_targets: [N, O].
        index: [N] int64, row numbers in the file in ascending order; None: all rows.
        block: rows of the file that are read together.

    Raises DataError if the file can't be read.
    """

    file: SplitFile
    labels: Tensor
    memory: int
    kinds: tuple[str, ...] = ()
    outputs: tuple[int, ...] = ()
    partly_labelled: bool = False
    cached_predictions: Tensor | None = None
    weights: Tensor | None = None
    groups: Tensor | None = None
    soft_targets: Tensor | None = None
    distillation: Distillation | None = None
    index: Tensor | None = None
    block: int = BLOCK

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def arrangement(self) -> tuple[int, ...]:
        """See `Rows`: the number of rows, of rows in a window, and of rows in a block."""
        return len(self), self._shuffled_rows, self.block

    def shuffled(
        self, batch_size: int, generator: torch.Generator, done: int = 0
    ) -> Iterator[RowTensors]:
        """See `Rows`; windows whose rows are all in the first ``done`` batches aren't read."""
        blocks = self._blocks(self._shuffled_rows)
        order = torch.randperm(len(blocks), generator=generator, device=generator.device)
        windows = _windows_of([blocks[number] for number in order.tolist()], self._shuffled_rows)
        sizes = batch_sizes(len(self), batch_size)
        skipped, rows = 0, sum(sizes[:done])
        while skipped < len(windows) and _rows(windows[skipped]) <= rows:
            rows -= _rows(windows[skipped])
            # Advance the generator as if the window had been shuffled.
            torch.randperm(_rows(windows[skipped]), generator=generator, device=generator.device)
            skipped += 1
        return _batches(self._read_windows(windows[skipped:]), sizes[done:], generator, rows)

    def in_order(self, batch_size: int) -> Iterator[RowTensors]:
        """See `Rows`."""
        window = min(self._max_rows(), max(self.block, batch_size))
        full, rest = divmod(len(self), batch_size)
        sizes = [batch_size] * full + [rest] * (rest > 0)
        return _batches(self._read_windows(_windows_of(self._blocks(window), window)), sizes)

    def rows(self, index: Tensor) -> "Stream":
        """The rows at ``index`` [B], in ascending order."""
        numbers = index.cpu()
        return replace(
            self,
            labels=self.labels.index_select(0, index),
            cached_predictions=_select(self.cached_predictions, index),
            weights=_select(self.weights, index),
            groups=_select(self.groups, index),
            soft_targets=_select(self.soft_targets, index),
            index=numbers if self.index is None else self.index[numbers],
        )

    def task(self, number: int) -> "Stream":
        """See `Rows`."""
        of_task: Stream = rows_of_task(self, number)
        return of_task

    def with_cached_predictions(self, predictions: Tensor) -> "Stream":
        """The same rows with ``predictions`` [N, K] as input of a fused model."""
        return replace(self, cached_predictions=predictions)

    def with_labels(self, labels: Tensor) -> "Stream":
        """See `Rows`."""
        return replace(self, labels=labels)

    def in_memory(self, copies: int, seed: int) -> RowTensors:
        """See `Rows`: as many rows as fit ``copies`` times into ``memory``."""
        most = max(1, self.memory // (copies * self._row_bytes))
        if most < len(self):
            chosen = np.random.default_rng(seed).choice(len(self), most, replace=False)
            index = torch.from_numpy(np.sort(chosen)).to(self.labels.device)
            return self.rows(index).in_memory(copies, seed)
        blocks = self._blocks(self.block)
        return replace(self._window(blocks, self._read(blocks)), groups=self.groups)

    @property
    def _row_bytes(self) -> int:
        held = [self.labels, self.cached_predictions, self.weights, self.soft_targets]
        held_bytes = sum(x[:1].numel() * x.element_size() for x in held if x is not None)
        return self.file.columns.row_bytes + held_bytes

    @property
    def _shuffled_rows(self) -> int:
        """Rows in a shuffled window."""
        return min(self._max_rows(), max(self.block, len(self) // MIN_WINDOWS))

    def _max_rows(self) -> int:
        """Rows in the largest window that fits into memory."""
        return max(1, min(self.memory // 2, WINDOW_BYTES) // self._row_bytes)

    def _blocks(self, window: int) -> list[Span]:
        """Start and stop of the rows in each block of the file that has any."""
        edges = torch.arange(0, self.file.rows + 1, min(self.block, window))
        if edges[-1] < self.file.rows:
            edges = torch.cat([edges, torch.tensor([self.file.rows])])
        if self.index is not None:
            edges = torch.searchsorted(self.index, edges)
        return [(first, last) for first, last in pairwise(edges.tolist()) if first < last]

    def _read_windows(self, windows: Sequence[Sequence[Span]]) -> Iterator[RowTensors]:
        """Yield the rows of each window."""
        # `map`, unlike a loop, keeps no reference to the rows it has yielded.
        jobs = [partial(self._read, window) for window in windows]
        return map(self._window, windows, prefetch(jobs))

    def _read(self, blocks: Sequence[Span]) -> RowTensors:
        """Read the dense and sparse columns of the blocks into main memory."""
        rows = self.file.columns.empty(_rows(blocks), pinned=self.labels.is_cuda)
        at = 0
        for first, last in blocks:
            if self.index is None:
                self.file.read(rows, at, first, last)
            else:
                self.file.pick(rows, at, self.index[first:last])
            at += last - first
        return rows

    def _window(self, blocks: Sequence[Span], read: RowTensors) -> RowTensors:
        """Add the columns that are held to the rows of the blocks, on the device."""
        device = self.labels.device
        held = (self.cached_predictions, self.weights, self.soft_targets)
        cached, weights, soft = (None if each is None else _at(blocks, each) for each in held)
        return RowTensors(
            read.dense.to(device, non_blocking=True),
            read.sparse.to(device, non_blocking=True),
            _at(blocks, self.labels),
            cached,
            weights,
            soft_targets=soft,
            distillation=self.distillation,
            kinds=self.kinds,
            outputs=self.outputs,
            partly_labelled=self.partly_labelled,
        )


def _batches(
    windows: Iterator[RowTensors],
    sizes: Sequence[int],
    generator: torch.Generator | None = None,
    start: int = 0,
) -> Iterator[RowTensors]:
    """Yield the windows' rows in batches of ``sizes``, from row ``start`` of the first window on.

    With a generator, each window is shuffled.
    """
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
        del window  # release its memory before waiting for the next one


def _order(window: RowTensors, generator: torch.Generator | None) -> Tensor:
    if generator is None:
        return torch.arange(len(window), device=window.labels.device)
    return torch.randperm(len(window), generator=generator, device=generator.device)


def _windows_of(blocks: Sequence[Span], window: int) -> list[list[Span]]:
    """Divide blocks, in their order, into windows of at most ``window`` rows."""
    windows: list[list[Span]] = []
    rows = window
    for block in blocks:
        rows += _rows([block])
        if rows > window:
            windows.append([])
            rows = _rows([block])
        windows[-1].append(block)
    return windows


def _rows(blocks: Sequence[Span]) -> int:
    return sum(last - first for first, last in blocks)


def _select(column: Tensor | None, index: Tensor) -> Tensor | None:
    return None if column is None else column.index_select(0, index)


def _at(blocks: Sequence[Span], column: Tensor) -> Tensor:
    return torch.cat([column[first:last] for first, last in blocks])
