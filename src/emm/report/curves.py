"""The curves that the figures draw, computed from test predictions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from emm.metrics.calibration import Reliability, reliability_of_equal_evidence
from emm.metrics.ranking import roc_curve
from emm.metrics.regression import PredictionGroups, group_by_prediction
from emm.report.predictions import PREDICTIONS, Predictions, read_predictions
from emm.report.results import ModelResults, refuse

CALIBRATION_BINS = 12
VALUE_GROUPS = 12


@dataclass(frozen=True)
class Curves:
    """A model's curves, for its first seed.

    Args:
        roc: false-positive and true-positive rates [K] by binary task.
        reliability: by binary task, over bins of equal evidence.
        groups: groups of similar predictions by regression task, in standardised units.
    """

    roc: Mapping[str, tuple[Tensor, Tensor]]
    reliability: Mapping[str, Reliability]
    groups: Mapping[str, PredictionGroups] = field(default_factory=dict)


def read_curves(
    results: Sequence[ModelResults], tasks: Sequence[str], test_rows: int
) -> dict[str, Curves]:
    """Compute all models' curves; only one model's predictions are in memory at a time.

    Raises DataError if predictions are unusable or models were evaluated on different labels.
    """
    curves: dict[str, Curves] = {}
    labels: Tensor | None = None
    for each in results:
        predictions = read_predictions(each, test_rows, len(tasks))
        if labels is not None and not torch.equal(labels, predictions.labels):
            path = each.folder / PREDICTIONS
            refuse(path, "has other labels", each.name, f"those of {results[0].name}")
        labels = predictions.labels
        kinds = dict(zip(tasks, each.evaluation.kinds, strict=True))
        curves[each.name] = _curves(predictions, kinds)
    return curves


def _curves(predictions: Predictions, kinds: Mapping[str, str]) -> Curves:
    pairs = zip(predictions.logits.unbind(1), predictions.labels.unbind(1), strict=True)
    columns = dict(zip(kinds, pairs, strict=True))
    binary = {task: column for task, column in columns.items() if kinds[task] == "binary"}
    return Curves(
        {task: roc_curve(*column) for task, column in binary.items()},
        {t: reliability_of_equal_evidence(*c, CALIBRATION_BINS) for t, c in binary.items()},
        {t: group_by_prediction(*c, VALUE_GROUPS) for t, c in columns.items() if t not in binary},
    )
