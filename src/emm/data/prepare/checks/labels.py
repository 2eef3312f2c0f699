"""Labelled rows, positives and classes of each task and split, and splits that lack one of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from emm.data.prepare.checks.table import label
from emm.data.tables.schema import BINARY, CLASSES, SPLITS, Schema

FEW = 50
"""With fewer rows of a class in test, an AUC is too uncertain to compare models by."""

_ADVICE = "give the split more rows, split by another rule, or leave the task out of `tasks`"
_NOWHERE = "correct what the label is computed from, or leave the task out of `tasks`"


@dataclass(frozen=True)
class Labels:
    """The labels of a task in a split.

    Args:
        labelled: rows with a label.
        counts: labelled rows of each class: 0 and 1 of a binary task; () of a regression.
        mean: of a regression's labels, in standard deviations of train.
        variance: of a regression's labels, the unbiased estimate.
    """

    labelled: int
    counts: tuple[int, ...] = ()
    mean: float = 0.0
    variance: float = 0.0

    @property
    def rates(self) -> tuple[float, ...]:
        """Share of each class among the labelled rows."""
        return tuple(count / max(1, self.labelled) for count in self.counts)


Found = Mapping[str, Mapping[str, Labels]]
"""The labels of each task, by split."""


def class_names(schema: Schema, task: str) -> tuple[str, ...]:
    """Names of a task's classes, 0 and 1 for a binary one; () for a regression."""
    if schema.kind(task) == BINARY:
        return ("0", "1")
    return schema.classes.get(task, ())


def count_labels(rows: pl.LazyFrame, schema: Schema) -> dict[str, Labels]:
    """Count the labels of each task; ``rows`` have own names."""
    columns = list[pl.Expr]()
    for number, task in enumerate(schema.tasks):
        value = pl.col(label(number))
        columns.append(value.count().alias(f"{number}"))
        columns += [
            (value == c).sum().alias(f"{number}.{c}") for c in range(len(class_names(schema, task)))
        ]
        if not class_names(schema, task):
            real = value.cast(pl.Float64)
            columns += [real.mean().alias(f"{number}.mean"), real.var().alias(f"{number}.variance")]
    row = rows.select(columns).collect(engine="streaming").row(0, named=True)
    return {
        task: Labels(
            row[f"{number}"],
            tuple(row[f"{number}.{c}"] for c in range(len(class_names(schema, task)))),
            row.get(f"{number}.mean") or 0.0,
            row.get(f"{number}.variance") or 0.0,
        )
        for number, task in enumerate(schema.tasks)
    }


def lacking(found: Found, schema: Schema) -> list[str]:
    """Faults: splits without a labelled row of a task, without one of its classes, or constant."""
    return [
        fault
        for task in schema.tasks
        for split in SPLITS
        for fault in _lacking_in(split, task, {name: found[name][task] for name in SPLITS}, schema)
    ]


def has_all(found: Found, schema: Schema, task: str) -> bool:
    """Whether every split has what `lacking` looks for."""
    labels = {name: found[name][task] for name in SPLITS}
    return not any([*_lacking_in(name, task, labels, schema)] for name in SPLITS)


def _lacking_in(
    split: str, task: str, labels: Mapping[str, Labels], schema: Schema
) -> Iterator[str]:
    own, names = labels[split], class_names(schema, task)
    if not own.labelled:
        rows = ", ".join(f"{name} has {each.labelled:,}" for name, each in labels.items())
        yield f"{split}: no row has a label of {task!r} ({rows}): {_ADVICE}"
    elif len(names) == 1:
        yield f"{split}: {task!r} has only the class {names[0]}: leave the task out of `tasks`"
    elif not names and own.variance == 0:
        yield (
            f"{split}: all {own.labelled:,} labelled rows of {task!r} have the same value: "
            f"{_ADVICE}"
        )
    for number, (name, count) in enumerate(zip(names, own.counts, strict=True)):
        if own.labelled and not count:
            kind = "class" if schema.kind(task) == CLASSES else "label"
            having = {other: each.counts[number] for other, each in labels.items()}
            counts = "; ".join(
                f"{other}: {rows:,} of {labels[other].labelled:,}" for other, rows in having.items()
            )
            advice = _ADVICE if any(having.values()) else _NOWHERE
            yield (
                f"{split}: no row of {task!r} has the {kind} {name} "
                f"(labelled rows that have it: {counts}): {advice}"
            )


def few(test: Mapping[str, Labels], schema: Schema) -> list[str]:
    """Warnings: classes with fewer than `FEW` rows in test."""
    warnings = []
    for task in schema.tasks:
        for name, count in zip(class_names(schema, task), test[task].counts, strict=True):
            if 0 < count < FEW:
                rows = f"{count} rows" if count > 1 else "one row"
                warnings.append(
                    f"test has only {rows} of {task!r} with the label {name}: with fewer than "
                    f"{FEW}, differences between models are mostly chance"
                )
    return warnings
