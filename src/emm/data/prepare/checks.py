"""Checks of processed data that stop the pipeline before a model is trained on a leak."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import polars as pl

from emm.core.errors import DataError
from emm.data.tables.schema import BINARY, SPLITS, Schema, label_column

_ABOVE = "__above"


def check(
    folder: Path, schema: Schema, *, max_column_auc: float, rate_tolerance: float
) -> dict[str, Any]:
    """Check for leaks, invalid ids, missing values and drifting rates; return the observations.

    Raises one DataError that lists all faults. The observations contain no thresholds, so changing
    a threshold doesn't cause later stages to run again.
    """
    splits = {split: pl.scan_parquet(folder / f"{split}.parquet") for split in SPLITS}
    aucs = column_aucs(splits["train"], schema)
    shared = (
        {
            f"{a}, {b}": shared_keys(splits[a], splits[b], schema.key)
            for a, b in combinations(SPLITS, 2)
        }
        if schema.key
        else {}
    )
    faults = [
        *_leaks(aucs, max_column_auc),
        *(f"{count} keys are in both of {pair}" for pair, count in shared.items() if count),
        *(fault for split, rows in splits.items() for fault in _invalid(split, rows, schema)),
        *_drifts(schema, rate_tolerance),
    ]
    if faults:
        raise DataError(
            f"{schema.dataset} fails its checks:\n" + "\n".join(f"  - {f}" for f in faults),
            where=folder,
            next_step="correct the data, or the limits of check-data in the dataset's data.yaml",
        )
    return _observations(aucs, shared, schema)


def _observations(
    aucs: dict[str, dict[str, float]], shared: dict[str, int], schema: Schema
) -> dict[str, Any]:
    means = {name: dict(split.mean) for name, split in schema.splits.items() if split.mean}
    return {
        "column_auc": {task: dict(_highest(found)) for task, found in aucs.items()},
        "shared_keys": shared,
        "positive_rate": {name: dict(split.positive_rate) for name, split in schema.splits.items()},
        **({"mean": means} if means else {}),
        "rows": {name: split.rows for name, split in schema.splits.items()},
    }


def column_aucs(train: pl.LazyFrame, schema: Schema) -> dict[str, dict[str, float]]:
    """AUC over train of each single column as a score, per task; x below 0.5 counts as 1 - x.

    A dense column ranks rows by its value. A sparse column ranks them by the mean label of each
    id, computed on every other row and evaluated on the rest, so that a unique key doesn't look
    like a leak. For a regression task, labels above the mean of train are positive.
    """
    queries = [
        query.select(pl.lit(task).alias("task"), pl.lit(column).alias("column"), _auc())
        for task in schema.tasks
        for column, query in _rankings(*_with_classes(train, schema, task), schema)
    ]
    found: dict[str, dict[str, float]] = {task: {} for task in schema.tasks}
    for frame in pl.collect_all(queries):
        task, column, value = frame.row(0)
        found[task][column] = 0.5 if value is None else max(value, 1 - value)
    return found


def shared_keys(left: pl.LazyFrame, right: pl.LazyFrame, key: str) -> int:
    """Number of distinct keys that are in both splits."""
    both = left.select(key).unique().join(right.select(key).unique(), on=key, how="inner")
    return int(both.select(pl.len()).collect().item())


def _with_classes(train: pl.LazyFrame, schema: Schema, task: str) -> tuple[pl.LazyFrame, str]:
    """Train with a binary label column for a task, and the name of that column."""
    label = label_column(task)
    if schema.kind(task) == BINARY:
        return train, label
    # Stored labels are standardised over train: their mean is 0.
    return train.with_columns((pl.col(label) > 0).alias(_ABOVE)), _ABOVE


def _rankings(train: pl.LazyFrame, label: str, schema: Schema) -> list[tuple[str, pl.LazyFrame]]:
    """Number of rows and positives of each distinct score, per column."""
    counts = (pl.len().alias("rows"), pl.col(label).cast(pl.Int64).sum().alias("positives"))
    dense = [
        (name, train.group_by(pl.col(name).alias("score")).agg(*counts))
        for name in schema.dense_names
    ]
    learned = pl.int_range(pl.len()) % 2 == 0
    marked = train.with_columns(learned.alias("__learned"))
    sparse = []
    for name in schema.sparse_names:
        ids = marked.group_by(name).agg(
            pl.col(label).filter("__learned").mean().fill_null(-1.0).alias("score"),
            pl.col(label).filter(~pl.col("__learned")).len().alias("rows"),
            pl.col(label).filter(~pl.col("__learned")).cast(pl.Int64).sum().alias("positives"),
        )
        sparse.append(
            (name, ids.group_by("score").agg(pl.col("rows").sum(), pl.col("positives").sum()))
        )
    return [*dense, *sparse]


def _auc() -> pl.Expr:
    """AUC (Mann-Whitney, ties count half) from the counts of each distinct score."""
    positives = pl.col("positives").sort_by("score").cast(pl.Float64)
    negatives = (pl.col("rows") - pl.col("positives")).sort_by("score").cast(pl.Float64)
    below = negatives.cum_sum() - negatives
    pairs = positives.sum() * negatives.sum()
    return ((positives * (below + negatives / 2)).sum() / pairs).fill_nan(None).alias("auc")


def _highest(aucs: dict[str, float], count: int = 5) -> Sequence[tuple[str, float]]:
    ranked = sorted(aucs.items(), key=lambda item: (-item[1], item[0]))
    return [(name, round(value, 6)) for name, value in ranked[:count]]


def _leaks(aucs: dict[str, dict[str, float]], limit: float) -> list[str]:
    return [
        f"the column {column!r} alone ranks {task!r} with AUC {value:.4f}, "
        f"more than {limit}: a leak?"
        for task, found in aucs.items()
        for column, value in found.items()
        if value > limit
    ]


def _invalid(split: str, rows: pl.LazyFrame, schema: Schema) -> list[str]:
    """Faults: ids outside of the vocabulary, missing values, undeclared constant columns."""
    declared = {c.name: c.constant for c in schema.dense}
    declared |= {c.name: c.constant for c in schema.sparse}
    outside = {c.name: ~pl.col(c.name).is_between(0, c.cardinality - 1) for c in schema.sparse}
    missing = {n: pl.col(n).is_null() | pl.col(n).is_nan() for n in schema.dense_names}
    names = [*schema.dense_names, *schema.sparse_names]
    found = (
        rows.select(
            *(e.fill_null(value=True).sum().alias(f"outside:{n}") for n, e in outside.items()),
            *(e.sum().alias(f"missing:{n}") for n, e in missing.items()),
            *(pl.col(n).n_unique().alias(f"values:{n}") for n in names),
        )
        .collect()
        .row(0, named=True)
    )
    messages = {
        "outside": "has {} ids outside of its vocabulary",
        "missing": "has {} missing values",
        "values": "is constant and the schema doesn't say so",
    }
    faults = []
    for name, count in found.items():
        kind, column = name.split(":", 1)
        # A column may be constant by chance in a small validation split, so only train counts.
        wrong = (
            split == "train" and count <= 1 and not declared[column] if kind == "values" else count
        )
        if wrong:
            faults.append(f"{split}: the column {column!r} {messages[kind].format(count)}")
    return faults


def _drifts(schema: Schema, tolerance: float) -> list[str]:
    """Faults: positive rates, or means of regression tasks, that differ too much from train's.

    The stored labels of a regression task are in standard deviations of train.
    """
    faults = []
    train = schema.splits["train"]
    base = train.positive_rate
    for name, split in schema.splits.items():
        for task, rate in split.positive_rate.items():
            if abs(rate - base[task]) > tolerance * base[task]:
                faults.append(
                    f"{name}: {rate:.4%} of {task!r} are positive, {base[task]:.4%} in train; "
                    f"expected a relative difference of at most {tolerance:.1%}"
                )
        for task, mean in split.mean.items():
            if abs(mean - train.mean[task]) > tolerance:
                faults.append(
                    f"{name}: the mean of {task!r} is {mean - train.mean[task]:+.4f} standard "
                    f"deviations from train's; expected at most {tolerance:g}"
                )
    return faults
