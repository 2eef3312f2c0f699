"""Describe CSV or Parquet files as a dataset, by the configured roles of their columns."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import polars as pl

from emm.config.binding import raise_all
from emm.core.errors import DataError
from emm.data.custom.columns import as_time, cast_all
from emm.data.custom.dates import DateFeatures, is_date
from emm.data.custom.features import find_features
from emm.data.custom.files import CustomFiles, columns_of, custom_source, is_parquet
from emm.data.custom.inference import show, unusable
from emm.data.custom.inputs import custom_inputs
from emm.data.custom.label_values import fit_label
from emm.data.custom.labels import Label, label_name, parse_label, with_labels
from emm.data.custom.numbers import number_columns
from emm.data.custom.raw import changed_columns, raw_kinds
from emm.data.custom.read_files import read_file, read_sample
from emm.data.custom.roles import CustomColumns, in_two_roles, misnamed
from emm.data.custom.tasks import CustomTask
from emm.data.datasets.dataset import Dataset, Task
from emm.data.datasets.split_rules import ByTime, Split, column_of, renamed
from emm.data.reading.chunks import LINE, Chunk, Reading
from emm.data.reading.rejected import Rejected
from emm.data.tables.names import original_name, raw_copy, stored_name

_WHERE = "custom"  # the section of the configuration, for messages


@dataclass(frozen=True)
class _Layout:
    """The columns to read of every file and their casts.

    ``time`` names one that can't be null, ``copied`` those whose raw values the casts change.
    """

    files: CustomFiles
    columns: tuple[str, ...]
    casts: Mapping[str, pl.Expr]
    bags: tuple[str, ...]
    dates: tuple[DateFeatures, ...]
    labels: Mapping[str, Label]
    time: str | None
    copied: tuple[str, ...]


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
    known = _known_columns(paths, files)
    labels = _parse_labels(tasks, known, errors)
    hidden = [original_name(each) for label in labels.values() for each in label.revealing]
    errors += misnamed(_WHERE, columns, tasks, column_of(split), known)
    errors += in_two_roles(_WHERE, columns, hidden)
    raise_all(errors, config)
    split, columns = renamed(split, stored_name), columns.stored()
    sample = read_sample(paths, [*map(stored_name, known)], files)
    named = [*(columns.dense or ()), *([columns.weight] if columns.weight else [])]
    files = replace(files, numbers=tuple(number_columns(sample, files.notation, named)))
    sample = files.with_plain_numbers(sample)
    labels = _fitted(labels, sample, files, raw, errors)
    delimited = not is_parquet(paths[0])
    dataset, faults = _dataset(name, sample, files, columns, labels, split, delimited=delimited)
    raise_all([*errors, *faults], config)
    return dataset


def _dataset(
    name: str,
    sample: pl.DataFrame,
    files: CustomFiles,
    columns: CustomColumns,
    labels: Mapping[str, Label],
    split: Split,
    *,
    delimited: bool,
) -> tuple[Dataset, list[str]]:
    """The dataset with the columns of the ``sample``, and messages for values that don't fit."""
    by = column_of(split)
    hidden = {column for label in labels.values() for column in label.revealing}
    others = [column for column in (columns.key, columns.weight, by) if column]
    found, errors = find_features(sample, columns, {*hidden, *others}, files.missing, _WHERE)
    show(name, len(sample), found.inferred)
    time, casts = split.column if isinstance(split, ByTime) else None, {**found.casts}
    if time is not None:
        casts |= _time_cast(sample[time], errors)
    wanted = (*found.columns, *columns.bags, *sorted(hidden), *others, *columns.carried)
    layout = _Layout(
        files,
        tuple(dict.fromkeys(wanted)),
        casts,
        tuple(columns.bags),
        found.dates,
        labels,
        time,
        changed_columns(sample, columns.raw, casts, {*found.sparse} - {time}, found.raw_dense),
    )
    dataset = Dataset(
        name=name,
        source=custom_source(name, files.patterns),
        dense=found.dense,
        sparse=found.sparse,
        tasks={task: _task(task, label) for task, label in labels.items()},
        read=partial(_read, layout),
        parts=tuple(files.parts),
        split=split,
        key=columns.key,
        weight=columns.weight,
        bags=tuple(columns.bags),
        inferred=found.inferred,
        raw_kinds=raw_kinds(sample, found.raw_dense),
        inputs=custom_inputs(sample, found, columns, files, time=time, delimited=delimited),
    )
    return dataset, errors


def _read(layout: _Layout, reading: Reading, part: str) -> Iterator[Chunk]:
    """Yield the rows of a part's files; reject rows without a time, or with an invalid date."""
    unread = () if reading.bags else {*layout.bags} - {*layout.copied}
    columns = [column for column in layout.columns if column not in unread]
    casts = {column: cast for column, cast in layout.casts.items() if column in columns}
    for path in layout.files.paths(reading.raw, part):
        for chunk in read_file(path, columns, layout.files, reading.rejected):
            copies = (pl.col(c).alias(raw_copy(original_name(c))) for c in layout.copied)
            kept = Chunk(chunk.file, chunk.rows.with_columns(copies))
            rows = with_labels(kept, layout.labels, reading.rejected)
            invalid = {each.column: each.invalid() for each in layout.dates}
            if layout.time is not None:
                absent = casts.get(layout.time, pl.col(layout.time)).is_null()
                invalid[layout.time] = absent | invalid.get(layout.time, absent)
            rows = _without_invalid_dates(Chunk(chunk.file, rows), invalid, reading.rejected)
            features = {name: e for each in layout.dates for name, e in each.expressions().items()}
            yield Chunk(chunk.file, cast_all(rows, casts | features))


def _without_invalid_dates(
    chunk: Chunk, invalid: Mapping[str, pl.Expr], rejected: Rejected
) -> pl.DataFrame:
    """Reject the rows in which a column's value is invalid."""
    rows = chunk.rows
    for column, expression in invalid.items():
        bad = rows.select(expression.alias("bad")).to_series()
        if bad.any():
            texts = rows[column].filter(bad).cast(pl.String)
            reason = f"{original_name(column)!r} holds no time"
            rejected.add(chunk.file, rows[LINE].filter(bad), reason, texts)
            rows = rows.filter(~bad)
    return rows


def _known_columns(paths: Sequence[Path], files: CustomFiles) -> list[str]:
    kinds = {is_parquet(path) for path in paths}
    if len(kinds) > 1:
        raise DataError(
            "found both CSV and Parquet files",
            where=paths[0].parent,
            got=", ".join(path.name for path in paths)[:500],
            expected="files of one kind",
            next_step="name the files to read in custom.files",
        )
    return columns_of(paths[0], files)


def _parse_labels(
    tasks: Mapping[str, CustomTask], known: Sequence[str], errors: list[str]
) -> dict[str, Label]:
    """The labels of the tasks whose expressions are valid."""
    parsed = {
        name: parse_label(task, known, f"{_WHERE}.tasks.{name}", errors)
        for name, task in tasks.items()
    }
    return {name: label for name, label in parsed.items() if label is not None}


def _fitted(
    labels: Mapping[str, Label],
    sample: pl.DataFrame,
    files: CustomFiles,
    raw: Path,
    errors: list[str],
) -> dict[str, Label]:
    """The labels, fitted to the values of the sample."""
    found = {**labels}
    for task, label in labels.items():
        where, everything = f"{_WHERE}.tasks.{task}", partial(_everything, files, raw)
        values = label.read(sample)
        what = unusable(values.dtypes[0]) if label.column_only else None
        if what:
            errors.append(f"{where}: got {what}, expected numbers, text, or true and false")
        else:
            found[task], faults = fit_label(label, sample, where, files.missing, everything)
            errors += faults
    return found


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


def _time_cast(column: pl.Series, errors: list[str]) -> dict[str, pl.Expr]:
    cast = as_time(column)
    if cast is not None:
        return {column.name: cast}
    values = column.drop_nulls()
    others = values.filter(~is_date(values)) if column.dtype == pl.String else values
    example = next(iter([*others.head(1), *values.head(1)]), None)
    what = unusable(column.dtype) or repr(example)
    errors.append(
        f"{_WHERE}.split.column: {original_name(column.name)!r} holds {what}, expected "
        "numbers, or dates and times of one time zone such as 2024-05-31 17:05"
    )
    return {}
