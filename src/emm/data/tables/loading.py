"""Read a split's Parquet file into tensors."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from polars.selectors import by_name
from torch import Tensor

from emm.core.errors import DataError, choose
from emm.data.tables.names import (
    BAG,
    GROUP,
    GROUPS,
    WEIGHT,
    label_column,
    original_name,
    stored_name,
)
from emm.data.tables.rows import RowTensors
from emm.data.tables.schema import Schema

SLICE_ROWS = 262_144  # read at a time; larger slices need more memory and aren't faster

_RESTORE = "dvc repro preprocess, or dvc checkout"


@dataclass(frozen=True)
class Columns:
    """Names of the processed columns in each tensor of `RowTensors`, and the tasks' properties."""

    dense: tuple[str, ...]
    sparse: tuple[str, ...]
    labels: tuple[str, ...] = ()
    weight: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    outputs: tuple[int, ...] = ()
    partly_labelled: bool = False

    @property
    def label_type(self) -> torch.dtype:
        """Type of the labels: bytes if each is known to be 0 or 1."""
        return torch.float32 if self.kinds or self.partly_labelled else torch.uint8

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.dense, *self.sparse, *self.labels, *self.weight)

    @property
    def row_bytes(self) -> int:
        """Bytes of one row as tensors."""
        values = len(self.dense) + len(self.sparse) + len(self.weight)
        return 4 * values + self.label_type.itemsize * len(self.labels)

    def empty(self, rows: int, *, pinned: bool = False) -> RowTensors:
        """Uninitialised tensors for ``rows`` rows; ``pinned``: in memory that CUDA copies from."""

        def tensor(names: Sequence[str], kind: torch.dtype) -> Tensor:
            return torch.empty(rows, len(names), dtype=kind, pin_memory=pinned)

        return RowTensors(
            tensor(self.dense, torch.float32),
            tensor(self.sparse, torch.int32),
            tensor(self.labels, self.label_type),
            weights=torch.empty(rows) if self.weight else None,
            kinds=self.kinds,
            outputs=self.outputs,
            partly_labelled=self.partly_labelled,
        )


def columns_of(schema: Schema, *, weighted: bool = False) -> Columns:
    """A dataset's columns, ``weighted`` with its row weights; DataError if it has none."""
    if weighted and schema.weight is None:
        raise DataError(
            f"{schema.dataset} has no row weights",
            where="training.sample_weights in the recipe's file",
            next_step="set it to false",
        )
    return Columns(
        tuple(schema.dense_names),
        (*schema.sparse_names, *([BAG] if schema.bags else [])),
        tuple(label_column(task) for task in schema.tasks),
        (WEIGHT,) if weighted else (),
        schema.task_kinds,
        schema.outputs,
        schema.partly_labelled,
    )


class SplitFile:
    """Some columns of a split's Parquet file.

    Every method, like the constructor, raises DataError if the file lacks columns or can't be
    read.
    """

    def __init__(self, path: Path, columns: Columns) -> None:
        self.path = path
        self.columns = columns
        # Kept, because it caches the file's footer.
        self._scan = pl.scan_parquet(path, glob=False).select(by_name(*columns.names))
        self.rows: int = self._collect(self._scan.select(pl.len())).item()

    def read(self, into: RowTensors, at: int, start: int, stop: int) -> None:
        """Write the rows from ``start`` up to ``stop`` into ``into``, beginning at row ``at``."""
        self._fill(into.part(at, at + stop - start), self._slice(start, stop))

    def pick(self, into: RowTensors, at: int, rows: Tensor) -> None:
        """Write the rows ``rows`` [B], in ascending order, into ``into``, beginning at row ``at``.

        This decodes all rows between the first and the last.
        """
        numbers = rows.numpy()
        frame = self._slice(int(numbers[0]), int(numbers[-1]) + 1)
        if len(frame) > len(numbers):
            frame = frame[numbers - numbers[0]]
        self._fill(into.part(at, at + len(numbers)), frame)

    def load(self) -> RowTensors:
        """Read all rows."""
        found = self.columns.empty(self.rows)
        for start in range(0, self.rows, SLICE_ROWS):
            self.read(found, start, start, min(start + SLICE_ROWS, self.rows))
        return found

    def _slice(self, start: int, stop: int) -> pl.DataFrame:
        # Polars skips row groups outside of the slice, and pages within row groups.
        frame = self._collect(self._scan.slice(start, stop - start))
        optional = self.columns.labels if self.columns.partly_labelled else ()
        empty = [
            name
            for name, count in frame.null_count().row(0, named=True).items()
            if count and name not in optional
        ]
        if empty:
            raise self._error(f"{empty[0]} lacks values between rows {start} and {stop}")
        return frame

    def _fill(self, rows: RowTensors, frame: pl.DataFrame) -> None:
        columns = self.columns
        _fill(rows.dense, frame, columns.dense)
        _fill(rows.sparse, frame, columns.sparse)
        _fill(rows.labels, frame, columns.labels)
        if rows.weights is not None:
            _fill(rows.weights.unsqueeze(1), frame, columns.weight)

    def _collect(self, frame: pl.LazyFrame) -> pl.DataFrame:
        try:
            return frame.collect()
        except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            raise self._error(str(error)) from error

    def _error(self, what: str) -> DataError:
        return DataError(f"{self.path} can't be read: {what}", where=self.path, next_step=_RESTORE)


def load_split(path: Path, schema: Schema, *, weighted: bool = False) -> RowTensors:
    """Read a split's file, ``weighted`` with the dataset's row weights.

    Raises DataError if the file lacks columns or can't be read, or if there are no weights.
    """
    return SplitFile(path, columns_of(schema, weighted=weighted)).load()


def load_groups(path: Path, schema: Schema, key: str) -> Tensor:
    """Read the group [N] int64 of each row, by the column ``key``; negative if it has none.

    ``key`` is a sparse column, whose id 0 (unknown or rare) is no group, the dataset's key, or a
    kept column. Raises ParamsError for any other column, DataError if the file can't be read.
    """
    stored = [*schema.sparse_names, *([schema.key] if schema.key else []), *schema.kept]
    known, next_step = (
        map(original_name, stored),
        "name one of these, or keep it by preprocess.keep",
    )
    choose("group of rows", key, known, "evaluate.gauc_key in the dataset's data.yaml", next_step)
    key = stored_name(key)
    try:
        values = pl.read_parquet(path, columns=[key])[key]
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path} can't be read: {error}", where=path, next_step=_RESTORE) from error
    if key not in schema.sparse_names:
        values = values.rank("dense")
    groups = values.cast(pl.Int64).replace(0, None).fill_null(-1)
    return torch.tensor(groups.to_numpy(), dtype=torch.int64)


def load_fold_groups(processed: Path, rows: int) -> Tensor:
    """Read the groups [N] int32 of the ``rows`` rows of train that share a fold.

    Raises DataError if the file is missing, can't be read or has another number of rows.
    """
    path = processed / GROUPS
    try:
        groups = pl.read_parquet(path, columns=[GROUP])[GROUP]
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path} can't be read: {error}", where=path, next_step=_RESTORE) from error
    if len(groups) != rows or groups.dtype != pl.Int32 or groups.null_count():
        raise DataError(
            f"{path} doesn't belong to train",
            where=path,
            got=f"{len(groups):,} values of the type {groups.dtype}, {groups.null_count():,} empty",
            expected=f"{rows:,} values of the type Int32, none empty",
            next_step=_RESTORE,
        )
    return torch.tensor(groups.to_numpy())


def _fill(tensor: Tensor, frame: pl.DataFrame, names: Sequence[str]) -> None:
    values: np.ndarray[tuple[int, int], np.dtype[np.generic]] = tensor.numpy()
    for number, name in enumerate(names):
        values[:, number] = frame[name].to_numpy()
