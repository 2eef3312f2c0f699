"""How well each single column ranks each task: a column that does it too well is a leak."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from emm.data.prepare.checks.table import feature, features_of, label
from emm.data.tables.names import original_name
from emm.data.tables.schema import CLASSES, REGRESSION, Schema

Numbers = NDArray[np.float64]

_SCORE = "score"
_VALUES = 2**26  # read at a time
_UNSEEN = -1.0  # below every mean of labels


class _Target(NamedTuple):
    """A binary label: one of a task, or of one of a task's classes; and its columns.

    ``label``: of every row; ``learned``: of every other labelled row, otherwise null; ``held``: of
    the rest.
    """

    task: str
    label: str
    learned: str
    held: str


def column_aucs(train: pl.LazyFrame, schema: Schema) -> dict[str, dict[str, float]]:
    """AUC of each single column as a score, per task; x below 0.5 counts as 1 - x.

    A dense column ranks rows by its value. A sparse column ranks them by the mean label of each
    id, computed on every other labelled row and evaluated on the rest, so that a unique key doesn't
    look like a leak. For a regression task, labels above the mean of train are positive. For a task
    of classes, the AUC is the highest one of a class against the rest.

    Columns are read a few at a time and counted one by one, so time is linear in their number, and
    memory holds `_VALUES` values or one column. ``train`` has own names.
    """
    labels, targets = _targets(train, schema)
    names, step = features_of(schema), max(1, _VALUES // max(1, len(labels)))
    found: dict[str, dict[str, float]] = {task: {} for task in schema.tasks}
    for start in range(0, len(names), step):
        numbers = range(start, min(start + step, len(names)))
        columns = train.select(map(feature, numbers)).collect()
        for number in numbers:
            scores = columns.select(pl.col(feature(number)).alias(_SCORE))
            rows = pl.concat([scores, labels], how="horizontal")
            rank = _dense if number < len(schema.dense) else _sparse
            for task, value in rank(rows, targets):
                best = max(value, 1 - value, found[task].get(names[number], 0.5))
                found[task][names[number]] = best
    return found


def highest(aucs: Mapping[str, float], count: int = 5) -> dict[str, float]:
    """The columns of the highest AUCs, rounded."""
    ranked = sorted(aucs.items(), key=lambda item: (-item[1], item[0]))
    return {name: round(value, 6) for name, value in ranked[:count]}


def leaks(aucs: Mapping[str, Mapping[str, float]], limit: float) -> list[str]:
    """Faults: columns with an AUC above ``limit``."""
    return [
        f"the column {original_name(column)!r} alone ranks {task!r} with AUC {value:.4f}, "
        f"more than {limit}: a leak?"
        for task, found in aucs.items()
        for column, value in found.items()
        if value > limit
    ]


def _targets(train: pl.LazyFrame, schema: Schema) -> tuple[pl.DataFrame, list[_Target]]:
    """The binary labels of all tasks, null where missing."""
    columns, targets = list[pl.Expr](), list[_Target]()
    for number, task in enumerate(schema.tasks):
        value = pl.col(label(number))
        learned = value.is_not_null().cum_sum() % 2 == 1
        binary = {"": value == 1}
        if schema.kind(task) == REGRESSION:
            binary = {"": value > 0}  # stored labels are standardised over train
        elif schema.kind(task) == CLASSES:
            binary = {f".{c}": value == c for c in range(len(schema.classes[task]))}
        for suffix, positive in binary.items():
            target = _Target(
                task, *(f"{name}{number}{suffix}" for name in ("label", "even", "odd"))
            )
            targets.append(target)
            columns += [
                positive.alias(target.label),
                pl.when(learned).then(positive).alias(target.learned),
                pl.when(~learned).then(positive).alias(target.held),
            ]
    return train.select(columns).collect(), targets


def _dense(rows: pl.DataFrame, targets: list[_Target]) -> Iterator[tuple[str, float]]:
    counts = _count(rows, [target.label for target in targets]).sort(_SCORE)
    score = _numbers(counts[_SCORE])
    for target in targets:
        yield target.task, auc_of_counts(score, *_of(counts, target.label))


def _sparse(rows: pl.DataFrame, targets: list[_Target]) -> Iterator[tuple[str, float]]:
    names = [name for target in targets for name in (target.learned, target.held)]
    counts = _count(rows, names)
    for target in targets:
        learned, positives = _of(counts, target.learned)
        mean = np.where(learned > 0, positives / np.maximum(learned, 1), _UNSEEN)
        yield target.task, auc_of_counts(mean, *_of(counts, target.held))


def _count(rows: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Rows with a label, and positive ones, by score and label column."""
    return rows.group_by(_SCORE).agg(
        *(pl.col(name).count().alias(f"rows:{name}") for name in names),
        *(pl.col(name).sum().alias(f"positives:{name}") for name in names),
    )


def _of(counts: pl.DataFrame, name: str) -> tuple[Numbers, Numbers]:
    return _numbers(counts[f"rows:{name}"]), _numbers(counts[f"positives:{name}"])


def _numbers(column: pl.Series) -> Numbers:
    return column.cast(pl.Float64).to_numpy()


def auc_of_counts(score: Numbers, rows: Numbers, positives: Numbers) -> float:
    """AUC (Mann-Whitney, ties count half) of groups of rows that share a score; 0.5 if undefined.

    Args:
        score: of each group; several groups may have the same.
        rows: number of rows of each group.
        positives: number of positive rows of each group.
    """
    if not len(score):
        return 0.5
    order = np.argsort(score, kind="stable")
    ranked = score[order]
    first = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    above = np.add.reduceat(positives[order], first)
    others = np.add.reduceat((rows - positives)[order], first)
    pairs = above.sum() * others.sum()
    below = np.cumsum(others) - others
    return float((above * (below + others / 2)).sum() / pairs) if pairs else 0.5
