"""Describe CSV or Parquet files as a dataset, by the configured roles of their columns."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from emm.config.binding import raise_all
from emm.core.errors import DataError
from emm.core.progress import say
from emm.data.custom.columns import (
    CustomTask,
    as_bag,
    as_label,
    as_sparse,
    as_time,
    cast_all,
    check_label,
    columns_read,
    infer,
    not_a_number,
    parse_label,
)
from emm.data.custom.files import (
    CustomFiles,
    columns_of,
    custom_source,
    is_parquet,
    read_file,
    read_sample,
)
from emm.data.custom.roles import CustomColumns, in_two_roles, misnamed
from emm.data.datasets.dataset import Dataset, Task
from emm.data.datasets.split_rules import ByTime, Split, column_of
from emm.data.reading.chunks import LINE, Chunk, Reading

_WHERE = "custom"  # the section of the configuration, for messages


@dataclass(frozen=True)
class _Layout:
    """The columns to read of every file and their casts; ``time`` names one that can't be null."""

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
    config: str,
) -> Dataset:
    """Describe the files in the folder ``raw`` as a dataset.

    The types of columns are those of the first rows of the first part. Raises ParamsError with all
    faults if the configuration, from the file ``config``, doesn't fit the files, and DataError if
    a file can't be read.
    """
    errors = list[str]()
    paths = files.paths(raw, next(iter(files.parts)))
    known = _known_columns(paths, files.separator)
    described = _tasks(tasks, known, errors)
    hidden = {column for task in described.values() for column in task.made_from}
    errors += misnamed(_WHERE, columns, tasks, column_of(split), known)
    errors += in_two_roles(_WHERE, columns, hidden)
    raise_all(errors, config)
    sample = read_sample(paths, known, files)
    dataset, errors = _dataset(name, sample, files, columns, described, split)
    raise_all(errors, config)
    return dataset


def _dataset(
    name: str,
    sample: pl.DataFrame,
    files: CustomFiles,
    columns: CustomColumns,
    tasks: Mapping[str, Task],
    split: Split,
) -> tuple[Dataset, list[str]]:
    """The dataset with the columns of the ``sample``, and messages for values that don't fit."""
    errors, by = list[str](), column_of(split)
    hidden = {column for task in tasks.values() for column in task.made_from}
    dense, sparse = _features(name, sample, columns, hidden, by)
    casts = _casts(sample, sparse, columns.bags, hidden)
    time = split.column if isinstance(split, ByTime) else None
    if time is not None:
        casts |= _time_cast(sample[time], errors)
    errors += _misfits(cast_all(sample, casts), sample, dense, tasks)
    others = (column for column in (columns.key, columns.weight, by) if column)
    wanted = (*dense, *sparse, *columns.bags, *sorted(hidden), *others, *columns.carried)
    layout = _Layout(files, tuple(dict.fromkeys(wanted)), casts, tuple(columns.bags), time)
    dataset = Dataset(
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
    return dataset, errors


def _read(layout: _Layout, reading: Reading, part: str) -> Iterator[Chunk]:
    """Yield the rows of a part's files; reject rows without a time."""
    unread = () if reading.bags else layout.bags
    columns = [column for column in layout.columns if column not in unread]
    casts = {column: cast for column, cast in layout.casts.items() if column in columns}
    for path in layout.files.paths(reading.raw, part):
        for chunk in read_file(path, columns, layout.files, reading.rejected):
            rows = cast_all(chunk.rows, casts)
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
            "found both CSV and Parquet files",
            where=paths[0].parent,
            got=", ".join(path.name for path in paths)[:500],
            expected="files of one kind",
            next_step="name the files to read in custom.files",
        )
    return columns_of(paths[0], separator)


def _tasks(
    tasks: Mapping[str, CustomTask], known: Sequence[str], errors: list[str]
) -> dict[str, Task]:
    """The tasks whose expressions are valid, each with all columns that reveal its label."""
    described = {}
    for name, task in tasks.items():
        label = parse_label(task, known, f"{_WHERE}.tasks.{name}", errors)
        if label is not None:
            revealing = dict.fromkeys((*columns_read(label), *task.made_from))
            described[name] = Task(label, tuple(revealing), task.kind)
    return described


def _casts(
    sample: pl.DataFrame, sparse: Sequence[str], bags: Mapping[str, str], hidden: Iterable[str]
) -> dict[str, pl.Expr]:
    """Casts of all columns but the dense ones, which preprocessing casts."""
    return {
        **{column: as_sparse(sample[column]) for column in sparse},
        **{column: as_bag(sample[column], separator) for column, separator in bags.items()},
        **{column: as_label(sample[column]) for column in sorted(hidden)},
    }


def _features(
    name: str, sample: pl.DataFrame, columns: CustomColumns, hidden: set[str], split: str | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Dense and sparse features in the order of the files; reports the inferred ones."""
    dense, sparse = columns.dense or (), columns.sparse or ()
    used = {*dense, *sparse, *columns.bags, *columns.drop, *hidden}
    used |= {column for column in (columns.key, columns.weight, split) if column}
    free = [column for column in sample.columns if column not in used]
    exact = columns.dense is not None and columns.sparse is not None
    kinds = dict.fromkeys(free) if exact else infer(sample, free)
    found = {kind: [c for c in free if kinds[c] == kind] for kind in ("dense", "sparse", None)}
    if free:
        roles = {"dense": found["dense"], "sparse": found["sparse"], "left out": found[None]}
        listing = "; ".join(f"{role}: {', '.join(some)}" for role, some in roles.items() if some)
        say(f"{name}: roles of columns that aren't named in {_WHERE}: {listing}")
    ordered = {*dense, *found["dense"]}, {*sparse, *found["sparse"]}
    first, second = (tuple(c for c in sample.columns if c in some) for some in ordered)
    return first, second


def _time_cast(column: pl.Series, errors: list[str]) -> dict[str, pl.Expr]:
    cast = as_time(column)
    if cast is None:
        errors.append(
            f"{_WHERE}.split.column: {column.name!r} holds {column.drop_nulls()[0]!r}, expected "
            "numbers, or dates and times such as 2024-05-31 17:05"
        )
    return {} if cast is None else {column.name: cast}


def _misfits(
    sample: pl.DataFrame,
    raw: pl.DataFrame,
    dense: Sequence[str],
    tasks: Mapping[str, Task],
) -> list[str]:
    """Messages for dense columns and labels with wrong values in the sample."""
    bad = {column: not_a_number(raw[column]) for column in dense}
    errors = [
        f"{_WHERE}.dense: {column!r} holds {value!r}, which isn't a number"
        for column, value in bad.items()
        if value is not None
    ]
    for name, task in tasks.items():
        errors += check_label(sample, task.label, task.kind, f"{_WHERE}.tasks.{name}")
    return errors
