"""Processed Parquet as tensors, a slice of its rows at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from polars.selectors import by_name
from torch import Tensor

from emm.core.errors import DataError
from emm.data.tables.batches import RowTensors
from emm.data.tables.schema import BAG, WEIGHT, Schema, label_column

ROWS = 262_144  # a time: more would only need more memory


@dataclass(frozen=True)
class Columns:
    """Names of the processed columns that become a `RowTensors`, and the kinds of the tasks."""

    dense: tuple[str, ...]
    sparse: tuple[str, ...]
    labels: tuple[str, ...] = ()
    weight: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.dense, *self.sparse, *self.labels, *self.weight)

    @property
    def row_bytes(self) -> int:
        """Bytes of one row's tensors."""
        values = len(self.dense) + len(self.sparse) + len(self.weight)
        return 4 * values + (4 if self.kinds else 1) * len(self.labels)

    def empty(self, rows: int, *, pinned: bool = False) -> RowTensors:
        """Tensors for so many rows, yet to be filled; ``pinned`` to copy them to CUDA from."""

        def tensor(names: Sequence[str], kind: torch.dtype) -> Tensor:
            return torch.empty(rows, len(names), dtype=kind, pin_memory=pinned)

        return RowTensors(
            tensor(self.dense, torch.float32),
            tensor(self.sparse, torch.int32),
            tensor(self.labels, torch.float32 if self.kinds else torch.uint8),
            weights=torch.empty(rows) if self.weight else None,
            kinds=self.kinds,
        )


def columns_of(schema: Schema, *, weighted: bool = False) -> Columns:
    """A dataset's columns, ``weighted`` with its own weights of the rows; DataError without any."""
    if weighted and schema.weight is None:
        raise DataError(
            f"{schema.dataset} has no weights of its rows",
            where="training.sample_weights in params.yaml",
            next_step="set it to false",
        )
    return Columns(
        tuple(schema.dense_names),
        (*schema.sparse_names, *([BAG] if schema.bags else [])),
        tuple(label_column(task) for task in schema.tasks),
        (WEIGHT,) if weighted else (),
        schema.task_kinds,
    )


class Source:
    """Some columns of a Parquet file.

    Raises DataError when the file lacks columns or can't be read, here or later.
    """

    def __init__(self, path: Path, columns: Columns) -> None:
        self.path = path
        self.columns = columns
        # Kept, as it remembers the file's footer.
        self._scan = pl.scan_parquet(path, glob=False).select(by_name(*columns.names))
        self.rows: int = self._collect(self._scan.select(pl.len())).item()

    def read(self, into: RowTensors, at: int, start: int, stop: int) -> None:
        """Put the rows from ``start`` to before ``stop`` into a table at row ``at``."""
        self._fill(into.part(at, at + stop - start), self._slice(start, stop))

    def pick(self, into: RowTensors, at: int, rows: Tensor) -> None:
        """Put the rows at ``rows`` [B], which rises, into a table at row ``at``.

        All rows between the first and the last are decoded on the way.
        """
        numbers = rows.numpy()
        frame = self._slice(int(numbers[0]), int(numbers[-1]) + 1)
        if len(frame) > len(numbers):
            frame = frame[numbers - numbers[0]]
        self._fill(into.part(at, at + len(numbers)), frame)

    def load(self) -> RowTensors:
        """All rows."""
        table = self.columns.empty(self.rows)
        for start in range(0, self.rows, ROWS):
            self.read(table, start, start, min(start + ROWS, self.rows))
        return table

    def _slice(self, start: int, stop: int) -> pl.DataFrame:
        # Polars skips the row groups outside, and within them the pages.
        frame = self._collect(self._scan.slice(start, stop - start))
        empty = [name for name, count in frame.null_count().row(0, named=True).items() if count]
        if empty:
            raise self._error(f"{empty[0]} lacks values between rows {start} and {stop}")
        return frame

    def _fill(self, table: RowTensors, frame: pl.DataFrame) -> None:
        columns = self.columns
        _fill(table.dense, frame, columns.dense)
        _fill(table.sparse, frame, columns.sparse)
        _fill(table.labels, frame, columns.labels)
        if table.weights is not None:
            _fill(table.weights.unsqueeze(1), frame, columns.weight)

    def _collect(self, frame: pl.LazyFrame) -> pl.DataFrame:
        try:
            return frame.collect()
        except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            raise self._error(str(error)) from error

    def _error(self, what: str) -> DataError:
        return DataError(
            f"{self.path} can't be read: {what}",
            where=self.path,
            next_step="dvc repro preprocess, or dvc checkout",
        )


def load_table(path: Path, schema: Schema, *, weighted: bool = False) -> RowTensors:
    """Read one split, ``weighted`` with the dataset's own weights of its rows.

    Raises DataError when the file lacks columns or can't be read, and where there are no weights.
    """
    return Source(path, columns_of(schema, weighted=weighted)).load()


def _fill(tensor: Tensor, frame: pl.DataFrame, names: Sequence[str]) -> None:
    values: np.ndarray[tuple[int, int], np.dtype[np.generic]] = tensor.numpy()
    for number, name in enumerate(names):
        values[:, number] = frame[name].to_numpy()
