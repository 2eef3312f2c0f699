"""ROC and reliability points of all rows: what the figures draw, computed row by row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from emm.metrics.calibration import Reliability, reliability_of_equal_evidence
from emm.metrics.ranking import roc_curve
from emm.report.predictions import Predictions, read_predictions
from emm.report.rows import Row, refuse

CALIBRATION_BINS = 12


@dataclass(frozen=True)
class Curves:
    """A row's curves by task, for its first seed: ROC (false-, true-positive rates [K]) and
    reliability over bins of equal evidence."""

    roc: Mapping[str, tuple[Tensor, Tensor]]
    reliability: Mapping[str, Reliability]


def read_curves(rows: Sequence[Row], tasks: Sequence[str], test_rows: int) -> dict[str, Curves]:
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
        curves[row.name] = _curves(predictions, tasks)
    return curves


def _curves(predictions: Predictions, tasks: Sequence[str]) -> Curves:
    columns = list(zip(predictions.logits.unbind(1), predictions.labels.unbind(1), strict=True))
    rocs = [roc_curve(*column) for column in columns]
    bins = [reliability_of_equal_evidence(*column, CALIBRATION_BINS) for column in columns]
    return Curves(dict(zip(tasks, rocs, strict=True)), dict(zip(tasks, bins, strict=True)))
