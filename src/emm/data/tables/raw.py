"""Raw columns that are kept next to the processed splits, row by row, for models from outside."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
from polars.selectors import by_name

from emm.config.binding import bind
from emm.core.errors import DataError
from emm.data.tables.expressions import evaluated
from emm.data.tables.kinds import COLUMNS, RAW, RawKind

_WINDOW = 262_144  # rows; those of a row group of the files


def raw_columns(processed: Path) -> dict[str, RawKind]:
    """The kind of every column of the raw files, kept or not. Raises DataError."""
    path = processed / RAW / COLUMNS
    try:
        tree: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(path, str(error)) from error
    errors: list[str] = []
    found: dict[str, RawKind] | None = bind(dict[str, RawKind], tree, "", errors)
    if found is None:
        raise _unreadable(path, "; ".join(errors))
    return found


class RawSplit:
    """Columns of one split of a Parquet file, read in windows.

    ``columns``: their names, in order.
    """

    def __init__(self, path: Path, columns: Sequence[str] | None = None) -> None:
        self.path = path
        self._schema = _schema(path)
        self.columns = tuple(self._schema if columns is None else columns)
        absent = [name for name in self.columns if name not in self._schema]
        if absent:
            raise DataError(
                f"{path} lacks the column {absent[0]!r}",
                where=path,
                got=", ".join(self._schema) or "no columns",
                next_step="`emm check --fix`, then dvc repro: preprocess.raw in the dataset's "
                "data.yaml names the columns that are kept",
            )

    @cached_property
    def _rows(self) -> int:
        return int(pl.scan_parquet(self.path, glob=False).select(pl.len()).collect().item())

    def __len__(self) -> int:
        return self._rows

    def batches(
        self, rows: int = 65_536, inputs: Mapping[str, str] | None = None
    ) -> Iterator[pl.DataFrame]:
        """Yield all rows in order, at most ``rows`` at a time.

        ``inputs``: by name of a wanted column, a column or an SQL expression over the columns; by
        default all columns are yielded as they are. Raises ParamsError for an expression that
        can't be evaluated row by row.
        """
        scan = pl.scan_parquet(self.path, glob=False)
        names = by_name(*self.columns)  # a selector: names may look like patterns
        for start in range(0, len(self), _WINDOW):
            window = scan.slice(start, _WINDOW).select(names).collect()
            for part in window.iter_slices(rows):
                yield part if inputs is None else evaluated(part, inputs)


def _schema(path: Path) -> dict[str, pl.DataType]:
    try:
        return dict(pl.read_parquet_schema(path))
    except (OSError, pl.exceptions.PolarsError) as error:
        raise _unreadable(path, str(error).partition("\n")[0]) from error


def _unreadable(path: Path, why: str) -> DataError:
    return DataError(
        f"{path} can't be read: {why}",
        where=path,
        next_step="dvc repro preprocess, or dvc checkout; `emm check --fix` keeps the raw columns "
        "that outside models read",
    )


def open_raw(processed: Path, split: str) -> RawSplit:
    """The raw columns that are kept of a split. Raises DataError if none are."""
    return RawSplit(processed / RAW / f"{split}.parquet")
