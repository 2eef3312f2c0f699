"""The values of raw columns over train: of the columns that are kept, or as the schema has them."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import polars as pl
from polars.selectors import by_name

from emm.data.tables.kinds import INTEGER, NUMBER, TEXT, RawKind
from emm.data.tables.names import stored_name
from emm.data.tables.raw import RawSplit
from emm.data.tables.schema import DenseColumn, Schema

_BATCH = 262_144

Range = tuple[float | None, float | None]


class TrainColumns(Protocol):
    """What is known about the raw columns of train."""

    def knows(self, name: str) -> bool:
        """Whether the other methods can be asked about a column."""

    def texts(self, name: str) -> pl.Series:
        """The distinct values as text; null is one of them if a row has no value."""

    def numbers(self, name: str) -> Range:
        """The least and the greatest number; None if there is none."""

    def missing(self, name: str) -> float:
        """The share of the rows without a value."""


@dataclass(frozen=True)
class KeptColumns:
    """`TrainColumns` of the raw columns that are kept."""

    train: RawSplit

    def knows(self, name: str) -> bool:
        return name in self.train.columns

    def texts(self, name: str) -> pl.Series:
        one = RawSplit(self.train.path, [name])
        parts = [batch.get_column(name).cast(pl.String).unique() for batch in one.batches(_BATCH)]
        return pl.concat(parts).unique()

    def numbers(self, name: str) -> Range:
        one = RawSplit(self.train.path, [name])
        ranges = [_range(batch.get_column(name)) for batch in one.batches(_BATCH)]
        return _range(pl.Series([each for pair in ranges for each in pair], dtype=pl.Float64))

    def missing(self, name: str) -> float:
        scan = pl.scan_parquet(self.train.path, glob=False)
        missing = scan.select(by_name(name).null_count())
        return int(missing.collect().item()) / max(len(self.train), 1)


@dataclass(frozen=True)
class FittedColumns:
    """`TrainColumns` of features, by the vocabularies and statistics of train, where no raw
    columns are kept yet.

    ``kinds``: of the raw columns.
    """

    processed: Path
    schema: Schema
    kinds: dict[str, RawKind]

    def knows(self, name: str) -> bool:
        # Sparse columns of text or whole numbers have the values of the raw files.
        if stored_name(name) in self.schema.sparse_names:
            return self.kinds.get(name) in (TEXT, INTEGER)
        return self.kinds.get(name) == NUMBER and self._dense(name) is not None

    def texts(self, name: str) -> pl.Series:
        values = self._values(name).get_column("value")
        return values.extend_constant(None, 1) if self.missing(name) else values

    def numbers(self, name: str) -> Range:
        dense = self._dense(name)
        if dense is None:
            return _range(self.texts(name))
        return (dense.minimum, dense.maximum) if dense.missing < self._rows else (None, None)

    def missing(self, name: str) -> float:
        dense = self._dense(name)
        if dense is not None:
            return dense.missing / max(self._rows, 1)
        return 1 - int(self._values(name).get_column("rows").sum()) / max(self._rows, 1)

    @property
    def _rows(self) -> int:
        return self.schema.splits["train"].rows

    def _dense(self, name: str) -> DenseColumn | None:
        stored = stored_name(name)
        return next((each for each in self.schema.dense if each.name == stored), None)

    @cached_property
    def _vocabularies(self) -> pl.DataFrame:
        return pl.read_parquet(self.processed / self.schema.vocabularies["file"])

    def _values(self, name: str) -> pl.DataFrame:
        return self._vocabularies.filter(pl.col("column") == stored_name(name))


def _range(values: pl.Series) -> Range:
    numbers = values.cast(pl.Float64, strict=False)
    frame = numbers.to_frame("n").select(low=pl.col("n").min(), high=pl.col("n").max())
    low, high = frame.row(0)
    return low, high
