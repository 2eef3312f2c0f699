"""Labels of processed data: statistics and classes, fitted on train, and the encoding by them."""

from collections.abc import Mapping
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import NamedTuple

import polars as pl

from emm.core.errors import DataError
from emm.data.datasets.dataset import MAX_CLASSES, Task
from emm.data.tables.names import label_column
from emm.data.tables.schema import BINARY, CLASSES, REGRESSION, SPLITS, Split, Target

_SHOWN = 10

Tasks = Mapping[str, Task]
Splits = Mapping[str, pl.LazyFrame]


class FittedLabels(NamedTuple):
    """Statistics of the regression tasks, and names of the classes of tasks of classes."""

    targets: Mapping[str, Target]
    classes: Mapping[str, tuple[str, ...]]


def fit_labels(splits: Splits, tasks: Tasks) -> FittedLabels:
    """Fit on train.

    Raises DataError if train has no label of a task, if it has fewer than 2 or more than
    `MAX_CLASSES` classes of a task, or if another split has a class that it doesn't have.
    """
    train = splits["train"]
    _refuse_unlabelled(train, tasks)
    classes = {}
    for name, task in tasks.items():
        if task.kind == CLASSES:
            counts = {split: _class_counts(rows, name) for split, rows in splits.items()}
            classes[name] = _fit_classes(name, task, counts["train"])
            _refuse_unseen(name, classes[name], counts)
    return FittedLabels(_fit_targets(train, tasks), classes)


def _refuse_unlabelled(train: pl.LazyFrame, tasks: Tasks) -> None:
    columns = [pl.col(label_column(task)).count() for task in tasks]
    known = train.select(pl.len().alias("rows"), *columns).collect(engine="streaming").row(0)
    for task, count in zip(tasks, known[1:], strict=True):
        if not count:
            raise DataError(
                f"train has no label of the task {task!r}",
                got=f"{known[0]:,} rows without it",
                next_step="choose a split that gives train rows with this label, or correct the "
                "task's expression",
            )


def encode_label(task: str, fitted: FittedLabels) -> pl.Expr:
    """A label as it is stored: 0 or 1, standardised, or the number of its class."""
    label = pl.col(label_column(task))
    if target := fitted.targets.get(task):
        return ((label - target.mean) / target.std).cast(pl.Float32)
    if classes := fitted.classes.get(task):
        numbers = range(len(classes))
        return label.replace_strict(classes, numbers, default=None, return_dtype=pl.UInt16)
    return label


def count_splits(
    paths: Mapping[str, Path], tasks: Tasks, classes: Mapping[str, tuple[str, ...]]
) -> dict[str, Split]:
    """Counts of the written splits; DataError if all labels of a binary task are the same."""
    splits = {split: _count(path, tasks, classes) for split, path in paths.items()}
    for name, task in tasks.items():
        if task.kind == BINARY:
            _refuse_constant(name, splits)
    if any(split.labelled_rows(task) < split.rows for split in splits.values() for task in tasks):
        return splits
    return {name: replace(split, labelled={}) for name, split in splits.items()}


def _fit_targets(train: pl.LazyFrame, tasks: Tasks) -> dict[str, Target]:
    """Compute mean and standard deviation of regression labels; std is 1 for a constant label."""
    names = [name for name, task in tasks.items() if task.kind == REGRESSION]
    if not names:
        return {}
    columns = {name: pl.col(label_column(name)) for name in names}
    found = train.select(
        *(value.mean().alias(f"mean:{name}") for name, value in columns.items()),
        *(value.std(ddof=0).alias(f"std:{name}") for name, value in columns.items()),
    ).collect(engine="streaming")
    row = found.row(0, named=True)
    return {
        # Rounded, because parallel sums differ in their last bits between runs.
        name: Target(float(f"{row[f'mean:{name}']:.10g}"), float(f"{row[f'std:{name}']:.10g}") or 1)
        for name in names
    }


def _class_counts(rows: pl.LazyFrame, task: str) -> dict[str, int]:
    """Number of rows of each class, in the order of names."""
    label = pl.col(label_column(task)).alias("class")
    counts = rows.select(label).drop_nulls().group_by("class").len().collect(engine="streaming")
    found = dict(counts.iter_rows())
    return {name: found[name] for name in _sorted(found)}


def _sorted(names: Mapping[str, int]) -> list[str]:
    """Names in the order of their numbers if all are numbers, otherwise of their letters."""
    numbers = {name: _number(name) for name in names}
    if None in numbers.values():
        return sorted(names)
    return sorted(names, key=lambda name: (numbers[name], name))


def _number(name: str) -> float | None:
    try:
        number = float(name)
    except ValueError:
        return None
    return number if isfinite(number) else None


def _fit_classes(name: str, task: Task, counts: Mapping[str, int]) -> tuple[str, ...]:
    """The classes of a task in the order of their numbers."""
    where = f"the task {name!r}, whose kind is classes"
    if not 2 <= len(counts) <= MAX_CLASSES:
        many = len(counts) > MAX_CLASSES
        raise DataError(
            f"train has {'too many' if many else 'too few'} classes",
            where=where,
            got=f"{len(counts):,}; rows: {_listed(counts)}",
            expected=f"2 to {MAX_CLASSES}",
            next_step="write kind: regression if these are quantities, or merge rare classes in "
            "the task's expression"
            if many
            else "correct the task's expression, or take another task or split",
        )
    missing = [each for each in task.classes if each not in counts]
    unlisted = {each: counts[each] for each in counts if each not in task.classes}
    if task.classes and (missing or unlisted):
        raise DataError(
            "the classes of train aren't those that the task lists",
            where=where,
            got=f"rows of train: {_listed(counts)}",
            expected=f"classes: {', '.join(task.classes)}",
            next_step="correct the list, or leave it out: the order is then that of the names",
        )
    return task.classes or tuple(counts)


def _refuse_unseen(
    task: str, classes: tuple[str, ...], counts: Mapping[str, dict[str, int]]
) -> None:
    unseen = {
        split: {name: rows for name, rows in found.items() if name not in classes}
        for split, found in counts.items()
    }
    parts = [f"rows of {split}: {_listed(found)}" for split, found in unseen.items() if found]
    if parts:
        raise DataError(
            f"train has no row of some classes of the task {task!r}",
            got="; ".join(parts),
            expected=f"classes of train: {_listed(counts['train'])}",
            next_step="choose another split or preprocess.seed, merge rare classes in the task's "
            "expression, or make them null there: a null label is missing",
        )


def _listed(counts: Mapping[str, int]) -> str:
    shown = [f"{rows:,} of {name!r}" for name, rows in [*counts.items()][:_SHOWN]]
    return ", ".join([*shown, "…"] if len(counts) > _SHOWN else shown) or "none"


def _count(path: Path, tasks: Tasks, classes: Mapping[str, tuple[str, ...]]) -> Split:
    columns = {task: pl.col(label_column(task)) for task in tasks}
    row = (
        pl.scan_parquet(path)
        .select(
            pl.len().alias("rows"),
            *(column.mean() for column in columns.values()),
            *(column.count().alias(f"known:{task}") for task, column in columns.items()),
        )
        .collect()
        .row(0, named=True)
    )
    means = {task: float(row[label_column(task)] or 0.0) for task in tasks}
    return Split(
        rows=row["rows"],
        positive_rate={t: mean for t, mean in means.items() if tasks[t].kind == BINARY},
        mean={t: float(f"{mean:.10g}") for t, mean in means.items() if tasks[t].kind == REGRESSION},
        class_rates={t: _class_rates(path, t, len(names)) for t, names in classes.items()},
        labelled={task: row[f"known:{task}"] for task in tasks},
    )


def _class_rates(path: Path, task: str, classes: int) -> tuple[float, ...]:
    """Share of each class among the labelled rows of a written split."""
    label = pl.col(label_column(task)).alias("class")
    rows = pl.scan_parquet(path).select(label).drop_nulls().group_by("class").len().collect()
    counts = dict(rows.iter_rows())
    total = max(sum(counts.values()), 1)
    return tuple(counts.get(number, 0) / total for number in range(classes))


def _refuse_constant(task: str, splits: Mapping[str, Split]) -> None:
    """Raise DataError if every known label of a binary task is 0, or every one is 1."""
    rates = {split.positive_rate[task] for split in splits.values() if split.labelled_rows(task)}
    if len(rates) == 1 and rates <= {0.0, 1.0}:
        known = {name: splits[name].labelled_rows(task) for name in SPLITS}
        raise DataError(
            f"the task {task!r} is {int(rates.pop())} in every row",
            got=", ".join(f"{rows:,} rows with a label in {name}" for name, rows in known.items()),
            expected="rows with 0 and rows with 1",
            next_step="correct the task's expression",
        )
