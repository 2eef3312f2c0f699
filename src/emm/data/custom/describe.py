"""Describe CSV or Parquet files as a dataset, by the configured roles of their columns."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from emm.config.binding import raise_all
from emm.core.errors import DataError
from emm.core.progress import say
from emm.data.custom.columns import (
    as_bag,
    as_sparse,
    as_time,
    cast_all,
    infer,
    not_a_number,
)
from emm.data.custom.files import (
    CustomFiles,
    columns_of,
    custom_source,
    is_parquet,
    read_file,
    read_sample,
)
from emm.data.custom.label_values import fit_label
from emm.data.custom.labels import Label, label_name, parse_label, with_labels
from emm.data.custom.roles import CustomColumns, in_two_roles, misnamed
from emm.data.custom.tasks import CustomTask
from emm.data.datasets.dataset import Dataset, Task
from emm.data.datasets.split_rules import ByTime, Split, column_of, renamed
from emm.data.reading.chunks import LINE, Chunk, Reading
from emm.data.reading.rejected import Rejected
from emm.data.tables.names import original_name, stored_name

_WHERE = "custom"  # the section of the configuration, for messages


@dataclass(frozen=True)
class _Layout:
    """The columns to read of every file and their casts; ``time`` names one that can't be null."""

    files: CustomFiles
    columns: tuple[str, ...]
    casts: Mapping[str, pl.Expr]
    bags: tuple[str, ...]
    labels: Mapping[str, Label]
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
    labels = _parse_labels(tasks, known, errors)
    hidden = [original_name(each) for label in labels.values() for each in label.revealing]
    errors += misnamed(_WHERE, columns, tasks, column_of(split), known)
    errors += in_two_roles(_WHERE, columns, hidden)
    raise_all(errors, config)
    sample = read_sample(paths, [*map(stored_name, known)], files)
    for task, label in labels.items():
        where = f"{_WHERE}.tasks.{task}"
        everything = partial(_everything, files, raw)
        labels[task], faults = fit_label(label, sample, where, files.missing, everything)
        errors += faults
    split = renamed(split, stored_name)
    dataset, faults = _dataset(name, sample, files, columns.stored(), labels, split)
    raise_all([*errors, *faults], config)
    return dataset


def _dataset(
    name: str,
    sample: pl.DataFrame,
    files: CustomFiles,
    columns: CustomColumns,
    labels: Mapping[str, Label],
    split: Split,
) -> tuple[Dataset, list[str]]:
    """The dataset with the columns of the ``sample``, and messages for values that don't fit."""
    errors, by = list[str](), column_of(split)
    hidden = {column for label in labels.values() for column in label.revealing}
    dense, sparse = _features(name, sample, columns, hidden, by)
    casts = _casts(sample, sparse, columns.bags)
    time = split.column if isinstance(split, ByTime) else None
    if time is not None:
        casts |= _time_cast(sample[time], errors)
    errors += _misfits(sample, dense)
    others = (column for column in (columns.key, columns.weight, by) if column)
    wanted = (*dense, *sparse, *columns.bags, *sorted(hidden), *others, *columns.carried)
    layout = _Layout(files, tuple(dict.fromkeys(wanted)), casts, tuple(columns.bags), labels, time)
    dataset = Dataset(
        name=name,
        source=custom_source(name, files.patterns),
        dense=dense,
        sparse=sparse,
        tasks={task: _task(task, label) for task, label in labels.items()},
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
            rows = cast_all(with_labels(chunk, layout.labels, reading.rejected), casts)
            if layout.time is not None:
                absent = rows[layout.time].is_null()
                lines, texts = rows[LINE].filter(absent), chunk.rows[layout.time].filter(absent)
                reason = f"{original_name(layout.time)!r} holds no time"
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


def _parse_labels(
    tasks: Mapping[str, CustomTask], known: Sequence[str], errors: list[str]
) -> dict[str, Label]:
    """The labels of the tasks whose expressions are valid."""
    parsed = {
        name: parse_label(task, known, f"{_WHERE}.tasks.{name}", errors)
        for name, task in tasks.items()
    }
    return {name: label for name, label in parsed.items() if label is not None}


def _task(name: str, label: Label) -> Task:
    classes = tuple(map(str, label.task.classes))
    value = pl.col(label_name(name))
    return Task(value, label.revealing, label.task.kind, classes, optional=True)


def _everything(files: CustomFiles, raw: Path, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Yield some columns of all rows of all parts."""
    for part in files.parts:
        for path in files.paths(raw, part):
            for chunk in read_file(path, columns, files, Rejected("", 1.0)):
                yield chunk.rows


def _casts(
    sample: pl.DataFrame, sparse: Sequence[str], bags: Mapping[str, str]
) -> dict[str, pl.Expr]:
    """Casts of sparse columns and bags; preprocessing casts the dense ones."""
    return {
        **{column: as_sparse(sample[column]) for column in sparse},
        **{column: as_bag(sample[column], separator) for column, separator in bags.items()},
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
        listing = "; ".join(
            f"{role}: {', '.join(map(original_name, some))}" for role, some in roles.items() if some
        )
        say(f"{name}: roles of columns that aren't named in {_WHERE}: {listing}")
    ordered = {*dense, *found["dense"]}, {*sparse, *found["sparse"]}
    first, second = (tuple(c for c in sample.columns if c in some) for some in ordered)
    return first, second


def _time_cast(column: pl.Series, errors: list[str]) -> dict[str, pl.Expr]:
    cast = as_time(column)
    if cast is None:
        errors.append(
            f"{_WHERE}.split.column: {original_name(column.name)!r} holds "
            f"{column.drop_nulls()[0]!r}, expected numbers, or dates and times such as "
            "2024-05-31 17:05"
        )
    return {} if cast is None else {column.name: cast}


def _misfits(sample: pl.DataFrame, dense: Sequence[str]) -> list[str]:
    """Messages for dense columns with values in the sample that aren't numbers."""
    bad = {column: not_a_number(sample[column]) for column in dense}
    return [
        f"{_WHERE}.dense: {original_name(column)!r} holds {value!r}, which isn't a number"
        for column, value in bad.items()
        if value is not None
    ]
