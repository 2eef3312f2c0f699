"""Raw columns that models from outside read, kept next to the encoded splits, row by row."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from emm.core.errors import DataError, ParamsError, choose
from emm.core.files import write_json
from emm.data.datasets.dataset import Dataset
from emm.data.reading.chunks import LINE, Chunk
from emm.data.tables.kinds import COLUMNS, RAW, TYPES, RawKind, kind_of_type
from emm.data.tables.names import original_name, raw_copy, stored_name
from emm.data.tables.schema import SPLITS

WHERE = "preprocess.raw in the dataset's data.yaml"


class RawColumns:
    """The raw columns to keep, by the ``names`` of the raw files, and the kinds of all columns.

    Kinds that the ``dataset`` doesn't know are those of the first chunk that is read.
    """

    def __init__(self, dataset: Dataset, names: Sequence[str], hidden: Sequence[str] = ()) -> None:
        self.names = tuple(dict.fromkeys(names))
        self._dense = {*dataset.dense}
        self._kinds = dict(dataset.raw_kinds)
        labels = [name for name in self.names if stored_name(name) in hidden]
        if labels:
            raise ParamsError(
                f"the raw column {labels[0]!r} reveals a label: no model may read it",
                where=WHERE,
                next_step="remove it there and from the model's `columns`, or take the task out",
            )

    @property
    def kinds(self) -> Mapping[str, RawKind]:
        """The kind of every raw column that a model can read."""
        return self._kinds

    @property
    def stored(self) -> tuple[str, ...]:
        """The names under which the columns are stored."""
        return tuple(map(stored_name, self.names))

    def see(self, chunk: Chunk) -> None:
        """Learn the kinds of the columns of the first chunk. Raises ParamsError for names that no
        column has, or none of text or numbers."""
        if not self._kinds:
            types = chunk.rows.drop(LINE, strict=False).schema
            found = {name: kind_of_type(dtype) for name, dtype in types.items()}
            found |= dict.fromkeys((name for name in found if name in self._dense), "number")
            self._kinds = {original_name(name): kind for name, kind in found.items() if kind}
        for name in self.names:
            choose("raw column", name, self._kinds, WHERE, "correct it")

    def write(self, splits: Mapping[str, pl.LazyFrame], out: Path, row_group: int) -> None:
        """Write what there is, and the columns to keep of every split, to ``out``/raw."""
        folder = out / RAW
        folder.mkdir()
        write_json(folder / COLUMNS, self._kinds)
        for split in SPLITS if self.names else ():
            rows = splits[split]
            known = set(rows.collect_schema().names())
            kept = rows.select(self._typed(name, known) for name in self.names)
            try:
                kept.sink_parquet(folder / f"{split}.parquet", row_group_size=row_group)
            except pl.exceptions.InvalidOperationError as error:
                raise DataError(
                    f"a raw column has values of another type: {error}".partition("\n")[0],
                    where=WHERE,
                    got=", ".join(f"{name}: {self._kinds[name]}" for name in self.names),
                    next_step="write all files with the same types",
                ) from error

    def _typed(self, name: str, known: set[str]) -> pl.Expr:
        source = raw_copy(name)
        value = pl.col(source if source in known else stored_name(name))
        kind = self._kinds[name]
        typed = value.cast(TYPES[kind])
        return (typed.fill_nan(None) if kind == "number" else typed).alias(name)
