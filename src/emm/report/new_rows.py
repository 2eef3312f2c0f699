"""Rows of test whose features no row of train has, and the models' AUC over them.

A model can answer the other rows from memory.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import NoReturn

import polars as pl
from torch import Tensor

from emm.core.errors import DataError
from emm.metrics.classes import macro_auc
from emm.metrics.ranking import auc
from emm.metrics.uncertainty import ScoredRows
from emm.report.facts import DatasetFacts
from emm.report.predictions import Predictions, rows_by_task
from emm.report.task_summaries import rounded

SPLITS = ("validation", "test")
NEXT_STEP = "run `dvc repro`; if the file stays as it is, `dvc repro --force check-data`"
COLUMNS = {"split": pl.String(), "seen": pl.Boolean()}


def add_seen(facts: DatasetFacts, path: Path, next_step: str = NEXT_STEP) -> DatasetFacts:
    """Add what `read_seen` reads to the facts about a dataset."""
    return replace(facts, seen=read_seen(path, facts.rows, next_step))


def read_seen(path: Path, rows: Mapping[str, int], next_step: str = NEXT_STEP) -> dict[str, Tensor]:
    """Read which rows of validation and test have the features of a row of train.

    Returns bool [N] by split.

    Args:
        rows: number of rows by split.
        next_step: what to run if the file can't be used.

    Raises:
        DataError: the file is missing or damaged, or has other columns or numbers of rows.
    """
    expected = {split: rows[split] for split in SPLITS}
    try:
        table = pl.scan_parquet(path, glob=False)
        columns = dict(table.collect_schema())
        if columns != COLUMNS:
            _refuse(path, "has other columns", columns, COLUMNS, next_step)
        counts = dict(table.group_by("split").len().collect().iter_rows())
        if counts != expected:
            _refuse(path, "has other numbers of rows", counts, expected, next_step)
        parts = {
            split: table.filter(pl.col("split") == split).select("seen").collect()["seen"]
            for split in SPLITS
        }
    except FileNotFoundError:
        _refuse(path, "is missing", "no such file", None, next_step)
    except (OSError, pl.exceptions.PolarsError) as error:
        _refuse(path, "can't be read", error, "a complete Parquet file", next_step)
    for split, part in parts.items():
        if part.null_count():
            got = f"{part.null_count():,} in {split}"
            _refuse(path, "has missing values", got, "true or false for each row", next_step)
    return {split: part.to_torch() for split, part in parts.items()}


def aucs_of_new_rows(predictions: Predictions, facts: DatasetFacts) -> dict[str, float | None]:
    """AUC over the labelled rows of test whose features train lacks, as mean over seeds, by task.

    None where a class of the task has no such row; {} unless the page tells these rows apart.
    """
    if facts.new_rows is None:
        return {}
    every = rows_by_task(predictions, facts)
    new = rows_by_task(predictions, facts, facts.new_rows)
    return {
        task: _mean_auc(new[task]) if _classes(new[task]) == _classes(every[task]) else None
        for task in facts.by_auc
    }


def _mean_auc(rows: ScoredRows) -> float:
    """Mean over seeds of the AUC, for a task of classes that of its mean over classes."""
    metric = macro_auc if rows.predictions.ndim > 2 else auc
    return rounded(fmean(metric(one, rows.labels, rows.weights) for one in rows.predictions))


def _classes(rows: ScoredRows) -> list[int]:
    """The numbers of the classes that occur in rows that count."""
    labels = rows.labels if rows.weights is None else rows.labels[rows.weights > 0]
    return [number for number, count in enumerate(labels.long().bincount().tolist()) if count]


def _refuse(path: Path, what: str, got: object, expected: object, next_step: str) -> NoReturn:
    raise DataError(
        f"{path.name} {what}", where=path, got=got, expected=expected, next_step=next_step
    )
