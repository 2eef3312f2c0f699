"""Read raw rows with labels and typed columns, into memory or temporary files; reject bad rows."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from emm.core.errors import DataError, choose
from emm.core.progress import progress
from emm.data.datasets.dataset import Dataset, Task, class_name
from emm.data.datasets.split_rules import column_of
from emm.data.reading.chunks import LINE, Chunk, Reading
from emm.data.reading.rejected import Rejected
from emm.data.tables.names import RAW_COPY, WEIGHT, label_column, original_name
from emm.data.tables.schema import BINARY, CLASSES, REGRESSION

_REASON, _AT_FAULT = "__reason", "__at_fault"
_UNLABELLED = "unlabelled"
_LABEL_TYPES: dict[str, type[pl.DataType]] = {
    BINARY: pl.UInt8,
    REGRESSION: pl.Float64,
    CLASSES: pl.String,
}
_NOT_CLASSES = ("NaN", "inf", "-inf")
IN_MEMORY = 2**28
"""Bytes of rows that stay in memory; the rows of a larger part go to temporary Parquet files."""


@dataclass(frozen=True)
class Wanted:
    """The columns of a dataset that are kept, by their use."""

    dense: tuple[str, ...]
    sparse: tuple[str, ...]
    tasks: Mapping[str, Task]
    weight: str | None
    others: tuple[str, ...]


def wanted_of(dataset: Dataset, tasks: Sequence[str], others: Iterable[str | None] = ()) -> Wanted:
    """The columns that are features next to these tasks, and ``others`` (None is ignored)."""
    chosen = {name: dataset.tasks[name] for name in tasks}
    hidden = {dataset.weight, *(column for task in chosen.values() for column in task.made_from)}
    dense = tuple(name for name in dataset.dense if name not in hidden)
    sparse = tuple(name for name in dataset.sparse if name not in hidden)
    used = (dataset.key, column_of(dataset.split), *others)
    extra = dict.fromkeys(name for name in used if name and name not in (*dense, *sparse))
    return Wanted(dense, sparse, chosen, dataset.weight, tuple(extra))


def ingest(
    dataset: Dataset,
    reading: Reading,
    wanted: Wanted,
    scratch: Path,
    see: Callable[[Chunk], None] | None = None,
) -> dict[str, pl.LazyFrame]:
    """Read every part once, chunk by chunk; return the usable rows.

    Rows that don't fit into ``IN_MEMORY`` are written to ``scratch``. ``see`` is called with the
    first chunk of each part.
    Rows with a dense value that isn't a number, an invalid label, no label at all, or a weight
    that isn't above 0 are rejected. Raises DataError if a part has no usable rows.
    """
    found, free = {}, IN_MEMORY
    for part in dataset.parts:
        chunks = _seen(dataset.read(reading, part), see)
        usable = (usable_rows(chunk, wanted, reading.rejected) for chunk in chunks)
        store = Store(scratch / part, free)
        _fill(store, usable, dataset.name, part, reading)
        free -= store.held
        found[part] = store.rows()
    return found


def _seen(chunks: Iterator[Chunk], see: Callable[[Chunk], None] | None) -> Iterator[Chunk]:
    for number, chunk in enumerate(chunks):
        if number == 0 and see is not None:
            see(chunk)
        yield chunk


class Store:
    """The rows of a part: in memory up to ``free`` bytes, otherwise in files in ``folder``."""

    def __init__(self, folder: Path, free: int) -> None:
        folder.mkdir()
        self._folder, self._free = folder, free
        self._frames: list[pl.DataFrame] = []
        self._files = 0
        self.held = 0

    def add(self, rows: pl.DataFrame) -> None:
        self._frames.append(rows)
        self.held += int(rows.estimated_size())
        if self._files or self.held > self._free:
            self._write()

    def rows(self) -> pl.LazyFrame:
        """All rows in the order in which they were added."""
        if self._files:
            return pl.scan_parquet(self._folder / "*.parquet")
        return pl.concat(self._frames, rechunk=False).lazy()

    def _write(self) -> None:
        for frame in self._frames:
            self._files += 1
            path = self._folder / f"{self._files:06}.parquet"
            frame.write_parquet(path, compression="lz4", statistics=False)
        self._frames, self.held = [], 0


def _fill(
    store: Store, frames: Iterator[pl.DataFrame], name: str, part: str, reading: Reading
) -> None:
    rows = 0
    with progress(f"Reading {name} {part}", None) as report:
        for frame in frames:
            store.add(frame)
            rows += len(frame)
            report(rows)
    if not rows:
        raise DataError(
            f"{name} has no usable rows in its part {part}",
            where=reading.raw,
            got=f"{reading.rejected.count:,} rejected lines",
            next_step="look at data/rejected and check the raw files, then `dvc repro`",
        )


def usable_rows(chunk: Chunk, wanted: Wanted, rejected: Rejected) -> pl.DataFrame:
    """Return the chunk's usable rows with typed columns and labels; reject the others."""
    _check_columns(chunk, wanted)
    faults = _faults(wanted)
    at_fault = pl.any_horizontal(*faults.values()) if faults else pl.lit(value=False)
    # One query, so that the casts of faults and columns are computed once.
    found = chunk.rows.select(
        at_fault.fill_null(value=False).alias(_AT_FAULT),
        *(_number(name).alias(name) for name in wanted.dense),
        *(pl.col(name) for name in (*wanted.sparse, *wanted.others, *_copies(chunk.rows))),
        *(
            # Not strict: a label of another type belongs to a row that is rejected.
            _label(task).cast(_LABEL_TYPES[task.kind], strict=False).alias(label_column(name))
            for name, task in wanted.tasks.items()
        ),
        *([_number(wanted.weight).cast(pl.Float32).alias(WEIGHT)] if wanted.weight else []),
    )
    bad = found.drop_in_place(_AT_FAULT)
    if not bad.any():
        return found
    reasons = [pl.when(fault).then(pl.lit(what)) for what, fault in faults.items()]
    faulty = chunk.rows.filter(bad).with_columns(pl.coalesce(reasons).alias(_REASON))
    _reject(chunk.file, faulty, rejected)
    return found.filter(~bad)


def _copies(rows: pl.DataFrame) -> list[str]:
    """The copies of raw columns that are changed when they are read."""
    return [name for name in rows.columns if name.startswith(RAW_COPY)]


def _check_columns(chunk: Chunk, wanted: Wanted) -> None:
    """Raise ParamsError if a column that the settings name doesn't exist."""
    hidden = {LINE, *_copies(chunk.rows)}
    known = [original_name(column) for column in chunk.rows.columns if column not in hidden]
    for name in map(original_name, (*wanted.others, *([wanted.weight] if wanted.weight else []))):
        choose("column", name, known, "preprocess in the dataset's data.yaml", "correct it")


def _faults(wanted: Wanted) -> dict[str, pl.Expr]:
    """The reasons for rejecting a row, each with an expression for the rows it applies to."""
    faults = {
        f"the column {original_name(name)!r} isn't a number": pl.col(name).is_not_null()
        & _number(name).is_infinite().fill_null(value=True)
        for name in wanted.dense
    }
    for name, task in wanted.tasks.items():
        known = _is_valid(task).fill_null(value=False)
        if task.optional:
            known |= (class_name(task.label) if task.kind == CLASSES else task.label).is_null()
        faults[f"'label {name}' has no known value"] = ~known
    if all(task.optional for task in wanted.tasks.values()):
        labels = [_label(task) for task in wanted.tasks.values()]
        faults[_UNLABELLED] = pl.all_horizontal(label.is_null() for label in labels)
    if wanted.weight:
        weight = _number(wanted.weight)
        usable = (weight.is_finite() & (weight > 0)).fill_null(value=False)
        faults[f"the weight {original_name(wanted.weight)!r} isn't a number above 0"] = ~usable
    return faults


def _number(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.Float64, strict=False)


def _label(task: Task) -> pl.Expr:
    """A label in the type of its kind; null if it is missing or has another type."""
    if task.kind == CLASSES:
        return class_name(task.label)
    return task.label.cast(pl.Float64, strict=False)


def _is_valid(task: Task) -> pl.Expr:
    label = _label(task)
    if task.kind == CLASSES:
        return ~label.is_in(_NOT_CLASSES)
    return label.is_in([0.0, 1.0]) if task.kind == BINARY else label.is_finite()


def _reject(file: str, rows: pl.DataFrame, rejected: Rejected) -> None:
    shown = rows.drop(LINE, _REASON, *_copies(rows), strict=False).select(
        pl.concat_str(pl.all().cast(pl.String, strict=False).fill_null(""), separator=",")
    )
    lines = rows[LINE] if LINE in rows.columns else pl.Series([0] * len(rows))
    reasons, texts = rows[_REASON], shown.to_series()
    blank = reasons == _UNLABELLED
    rejected.add(file, lines.filter(~blank), reasons.filter(~blank), texts.filter(~blank))
    rejected.add_unlabelled(file, lines.filter(blank), texts.filter(blank))
