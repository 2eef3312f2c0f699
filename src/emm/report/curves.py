"""ROC, reliability and groups of values of all rows: what the figures draw, row by row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from emm.metrics.calibration import Reliability, reliability_of_equal_evidence
from emm.metrics.ranking import roc_curve
from emm.metrics.regression import Groups, grouped
from emm.report.predictions import Predictions, read_predictions
from emm.report.results import ModelResults, refuse

CALIBRATION_BINS = 12
VALUE_GROUPS = 12


@dataclass(frozen=True)
class Curves:
    """A row's curves by binary task, for its first seed: ROC (false-, true-positive rates [K]) and
    reliability over bins of equal evidence; ``groups`` by regression task, as labels are stored."""

    roc: Mapping[str, tuple[Tensor, Tensor]]
    reliability: Mapping[str, Reliability]
    groups: Mapping[str, Groups] = field(default_factory=dict)


def read_curves(
    rows: Sequence[ModelResults], tasks: Sequence[str], test_rows: int
) -> dict[str, Curves]:
    """Curves by model; the predictions of one row at a time are in memory.

    Raises DataError for unusable predictions and for rows evaluated on different labels.
    """
    curves: dict[str, Curves] = {}
    labels: Tensor | None = None
    for row in rows:
        predictions = read_predictions(row, test_rows, len(tasks))
        if labels is not None and not torch.equal(labels, predictions.labels):
            path = row.folder / "predictions.safetensors"
            refuse(path, "has other labels", row.name, f"those of {rows[0].name}")
        labels = predictions.labels
        kinds = dict(zip(tasks, row.evaluation.kinds, strict=True))
        curves[row.name] = _curves(predictions, kinds)
    return curves


def _curves(predictions: Predictions, kinds: Mapping[str, str]) -> Curves:
    pairs = zip(predictions.logits.unbind(1), predictions.labels.unbind(1), strict=True)
    columns = dict(zip(kinds, pairs, strict=True))
    binary = {task: column for task, column in columns.items() if kinds[task] == "binary"}
    return Curves(
        {task: roc_curve(*column) for task, column in binary.items()},
        {t: reliability_of_equal_evidence(*c, CALIBRATION_BINS) for t, c in binary.items()},
        {t: grouped(*c, VALUE_GROUPS) for t, c in columns.items() if t not in binary},
    )
