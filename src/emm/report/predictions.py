"""Read the models' test predictions from safetensors files, one model after another."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from emm.metrics.funnels import funnel_steps
from emm.metrics.tasks import task_predictions
from emm.metrics.uncertainty import ScoredRows
from emm.report.facts import DatasetFacts
from emm.report.results import ModelResults, refuse

PREDICTIONS = "predictions.safetensors"


@dataclass(frozen=True)
class Predictions:
    """Test predictions of all seeds, and labels.

    Args:
        logits: float32 [S, N, O]; the columns of regression tasks hold predicted values.
        labels: [N, T] uint8, or float32 with NaN for a missing label if the tasks aren't all binary
            or any label may be missing.
        weights: float32 [N] of the rows in the metrics; None if they have none.
    """

    logits: Tensor
    labels: Tensor
    weights: Tensor | None = None


def read_predictions(results: ModelResults, facts: DatasetFacts) -> Predictions:
    """Read the predictions of all seeds for the test rows of a dataset.

    Raises DataError if the file is missing or damaged, has other shapes or types, or isn't finite.
    """
    path = results.folder / PREDICTIONS
    rows, tasks = facts.rows["test"], len(facts.tasks)
    columns = sum(facts.outputs) or tasks
    labels = "F32" if facts.kinds or facts.partly_labelled else "U8"
    try:
        with safe_open(path, framework="pt") as file:
            seeds = len(results.evaluation.seeds)
            _check_header(path, file, "logits", "F32", [seeds, rows, columns])
            _check_header(path, file, "labels", labels, [rows, tasks])
            weighted = "weights" in file.keys()  # noqa: SIM118 - the handle is no mapping
            if weighted:
                _check_header(path, file, "weights", "F32", [rows])
            found = Predictions(
                file.get_tensor("logits"),
                file.get_tensor("labels"),
                file.get_tensor("weights") if weighted else None,
            )
    except FileNotFoundError:
        refuse(path, "is missing", "no such file", None)
    except (OSError, SafetensorError) as error:
        refuse(path, "can't be read", error, "a complete safetensors file")
    if not bool(torch.isfinite(found.logits).all()):
        refuse(path, "has logits that aren't finite", "NaN or infinity", "finite numbers")
    return found


def read_each(
    results: Sequence[ModelResults], facts: DatasetFacts
) -> Iterator[tuple[ModelResults, Predictions]]:
    """Read all models' predictions; only those of one model are in memory at a time.

    Raises DataError if predictions are unusable or models were evaluated on different rows.
    """
    first: Predictions | None = None
    for each in results:
        found = read_predictions(each, facts)
        first = first or Predictions(found.logits[:0], found.labels, found.weights)
        require_same_rows(each, found, results[0], first)
        yield each, found


def require_same_rows(
    results: ModelResults, found: Predictions, other: ModelResults, expected: Predictions
) -> None:
    """Raise DataError unless two models were evaluated on the same labels and row weights."""
    path = results.folder / PREDICTIONS
    if not _equal(found.labels, expected.labels):
        refuse(path, "has other labels", results.name, f"those of {other.name}")
    if not _equal(found.weights, expected.weights):
        refuse(path, "has other row weights", results.name, f"those of {other.name}")


def rows_by_task(
    predictions: Predictions, facts: DatasetFacts, chosen: Tensor | None = None
) -> dict[str, ScoredRows]:
    """The labelled rows of each task; ``chosen``: which rows to take, bool [N]; None takes all."""
    kinds = facts.all_kinds
    columns = task_predictions(predictions.logits, facts.outputs, kinds)
    return {
        task: _labelled(column.contiguous(), label.contiguous(), predictions.weights, facts, chosen)
        for task, column, label in zip(
            facts.tasks, columns, predictions.labels.unbind(1), strict=True
        )
    }


def rows_by_step(predictions: Predictions, facts: DatasetFacts) -> dict[str, ScoredRows]:
    """The rows of ctr, ctcvr and cvr; none without a funnel."""
    if not facts.steps:
        return {}
    columns = task_predictions(predictions.logits, facts.outputs, facts.all_kinds)
    click, conversion = (columns[step] for step in facts.steps)
    labels = predictions.labels[:, list(facts.steps)]
    steps = funnel_steps(click, conversion, labels, facts.partly_labelled)
    weights = predictions.weights
    return {
        name: ScoredRows(logits, labels, None if weights is None else weights[rows])
        for name, (logits, labels, rows) in steps.items()
    }


def _labelled(
    predictions: Tensor,
    labels: Tensor,
    weights: Tensor | None,
    facts: DatasetFacts,
    chosen: Tensor | None,
) -> ScoredRows:
    if facts.partly_labelled:
        known = ~labels.isnan()
        chosen = known if chosen is None else known & chosen
    if chosen is None:
        return ScoredRows(predictions, labels, weights)
    kept = None if weights is None else weights[chosen]
    return ScoredRows(predictions[:, chosen], labels[chosen], kept)


def _equal(first: Tensor | None, second: Tensor | None) -> bool:
    """Whether both have the same values, or NaN, or both are None."""
    if first is None or second is None:
        return first is second
    return torch.equal(first.isnan(), second.isnan()) and torch.equal(
        first.nan_to_num(), second.nan_to_num()
    )


def _check_header(path: Path, file: Any, name: str, dtype: str, shape: list[int]) -> None:
    if name not in file.keys():  # noqa: SIM118 - the handle is no mapping
        refuse(path, f"has no {name}", ", ".join(file.keys()), "logits and labels")
    header = file.get_slice(name)
    found = f"{header.get_dtype()} {header.get_shape()}"
    if found != f"{dtype} {shape}":
        refuse(path, f"has {name} of another type or shape", found, f"{dtype} {shape}")
