"""A dataset out of any CSV or Parquet files, by what params.yaml says of their columns."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from emm.config.binding import raise_all
from emm.core.errors import DataError
from emm.core.progress import say
from emm.data.custom import columns as own_columns
from emm.data.custom.columns import CustomTask, columns_read
from emm.data.custom.files import CustomFiles, columns_of, is_parquet, read_file, read_sample
from emm.data.custom.roles import CustomColumns, in_two_roles, misnamed
from emm.data.custom.source import custom_source
from emm.data.datasets.dataset import Dataset, Task
from emm.data.datasets.split_rules import ByTime, Split, column_of
from emm.data.reading.chunks import LINE, Chunk, Reading


@dataclass(frozen=True)
class _Layout:
    """What is read of every file, and how it is cast; ``time``: a column that may not be empty."""

    files: CustomFiles
    columns: tuple[str, ...]
    casts: Mapping[str, pl.Expr]
    bags: tuple[str, ...]
    time: str | None


def describe_custom(
    name: str,
    raw: Path,
    *,
    files: CustomFiles,
    columns: CustomColumns,
    tasks: Mapping[str, CustomTask],
    split: Split,
) -> Dataset:
    """The dataset in the files of the folder ``raw``.

    The first rows of the first part's files tell the columns' types. Raises ParamsError, with all
    faults at once, where the descriptions don't fit the files, and DataError for files that can't
    be read.
    """
    where, errors = f"{name}.table", list[str]()
    paths = files.paths(raw, next(iter(files.parts)))
    known = _known_columns(paths, files.separator)
    described = _tasks(where, tasks, known, errors)
    hidden = {column for task in described.values() for column in task.made_from}
    errors += misnamed(where, columns, tasks, column_of(split), known)
    errors += in_two_roles(where, columns, hidden)
    raise_all(errors)
    sample = read_sample(paths, known, files)
    return _dataset(name, sample, files, columns, described, split)


def _dataset(
    name: str,
    sample: pl.DataFrame,
    files: CustomFiles,
    columns: CustomColumns,
    tasks: Mapping[str, Task],
    split: Split,
) -> Dataset:
    """The dataset whose columns are those of the ``sample``; ParamsError where these don't fit."""
    where, errors, by = f"{name}.table", list[str](), column_of(split)
    hidden = {column for task in tasks.values() for column in task.made_from}
    dense, sparse = _features(name, sample, columns, hidden, by)
    casts = _casts(sample, sparse, columns.bags, hidden)
    time = split.column if isinstance(split, ByTime) else None
    if time is not None:
        casts |= _time_cast(where, sample[time], errors)
    errors += _misfits(where, own_columns.cast_all(sample, casts), sample, dense, tasks)
    raise_all(errors)
    others = (column for column in (columns.key, columns.weight, by) if column)
    wanted = (*dense, *sparse, *columns.bags, *sorted(hidden), *others, *columns.carried)
    layout = _Layout(files, tuple(dict.fromkeys(wanted)), casts, tuple(columns.bags), time)
    return Dataset(
        name=name,
        source=custom_source(name, files.patterns),
        dense=dense,
        sparse=sparse,
        tasks=tasks,
        read=partial(_read, layout),
        parts=tuple(files.parts),
        split=split,
        key=columns.key,
        weight=columns.weight,
        bags=tuple(columns.bags),
    )


def _read(layout: _Layout, reading: Reading, part: str) -> Iterator[Chunk]:
    """Chunks of a part's files; rows without a time go to ``reading.rejected``."""
    without = () if reading.bags else layout.bags
    columns = [column for column in layout.columns if column not in without]
    casts = {column: cast for column, cast in layout.casts.items() if column in columns}
    for path in layout.files.paths(reading.raw, part):
        for chunk in read_file(path, columns, layout.files, reading.rejected):
            rows = own_columns.cast_all(chunk.rows, casts)
            if layout.time is not None:
                absent = rows[layout.time].is_null()
                lines, texts = rows[LINE].filter(absent), chunk.rows[layout.time].filter(absent)
                reason = f"{layout.time!r} holds no time"
                reading.rejected.add(path.name, lines, reason, texts.cast(pl.String))
                rows = rows.filter(~absent)
            yield Chunk(chunk.file, rows)


def _known_columns(paths: Sequence[Path], separator: str) -> list[str]:
    kinds = {is_parquet(path) for path in paths}
    if len(kinds) > 1:
        raise DataError(
            "CSV and Parquet files lie together",
            where=paths[0].parent,
            got=", ".join(path.name for path in paths)[:500],
            expected="files of one kind",
            next_step="name those that are wanted in `table.files`",
        )
    return columns_of(paths[0], separator)


def _tasks(
    where: str, tasks: Mapping[str, CustomTask], known: Sequence[str], errors: list[str]
) -> dict[str, Task]:
    """The tasks whose expressions can be read, each with all columns that reveal it."""
    described = {}
    for name, own in tasks.items():
        label = own_columns.parse(own, known, f"{where}.tasks.{name}", errors)
        if label is not None:
            revealing = dict.fromkeys((*columns_read(label), *own.made_from))
            described[name] = Task(label, tuple(revealing), own.kind)
    return described


def _casts(
    sample: pl.DataFrame, sparse: Sequence[str], bags: Mapping[str, str], hidden: Iterable[str]
) -> dict[str, pl.Expr]:
    """How columns are turned into what a chunk holds; dense ones are left to the reader of it."""
    return {
        **{column: own_columns.as_sparse(sample[column]) for column in sparse},
        **{column: own_columns.as_bag(sample[column], end) for column, end in bags.items()},
        **{column: own_columns.as_label(sample[column]) for column in sorted(hidden)},
    }


def _features(
    name: str, sample: pl.DataFrame, columns: CustomColumns, hidden: set[str], split: str | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Dense and sparse features, in the files' order; says which of them were inferred."""
    dense, sparse = columns.dense or (), columns.sparse or ()
    used = {*dense, *sparse, *columns.bags, *columns.drop, *hidden}
    used |= {column for column in (columns.key, columns.weight, split) if column}
    free = [column for column in sample.columns if column not in used]
    exact = columns.dense is not None and columns.sparse is not None
    kinds = dict.fromkeys(free) if exact else own_columns.infer(sample, free)
    found = {kind: [c for c in free if kinds[c] == kind] for kind in ("dense", "sparse", None)}
    if free:
        told = {"dense": found["dense"], "sparse": found["sparse"], "left out": found[None]}
        listing = "; ".join(f"{kind}: {', '.join(some)}" for kind, some in told.items() if some)
        say(f"{name}: columns that params.yaml doesn't name are taken for {listing}")
    ordered = {*dense, *found["dense"]}, {*sparse, *found["sparse"]}
    first, second = (tuple(c for c in sample.columns if c in some) for some in ordered)
    return first, second


def _time_cast(where: str, column: pl.Series, errors: list[str]) -> dict[str, pl.Expr]:
    cast = own_columns.as_time(column)
    if cast is None:
        errors.append(
            f"{where}.split.column: {column.name!r} holds {column.drop_nulls()[0]!r}, expected "
            "numbers, or days and times as in 2024-05-31 17:05, to order rows by"
        )
    return {} if cast is None else {column.name: cast}


def _misfits(
    where: str,
    sample: pl.DataFrame,
    raw: pl.DataFrame,
    dense: Sequence[str],
    tasks: Mapping[str, Task],
) -> list[str]:
    """Messages for columns and labels whose first values aren't what they should be."""
    bad = {column: own_columns.not_a_number(raw[column]) for column in dense}
    errors = [
        f"{where}.dense: {column!r} holds {value!r}, which isn't a number"
        for column, value in bad.items()
        if value is not None
    ]
    for name, task in tasks.items():
        errors += own_columns.check_label(sample, task.label, task.kind, f"{where}.tasks.{name}")
    return errors
