"""The curves that the figures draw, computed from test predictions."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from emm.metrics.calibration import Reliability, reliability_of_equal_evidence
from emm.metrics.classes import class_aucs, confidences
from emm.metrics.ranking import roc_curve
from emm.metrics.regression import PredictionGroups, group_by_prediction
from emm.metrics.uncertainty import ScoredRows
from emm.report.facts import DatasetFacts

CALIBRATION_BINS = 12
VALUE_GROUPS = 12


@dataclass(frozen=True)
class Curves:
    """A model's curves, for its first seed.

    Args:
        roc: false-positive and true-positive rates [K] by binary task.
        reliability: over bins of equal evidence, by binary task, and by task of classes for the
            confidence in the predicted class.
        groups: groups of similar predictions by regression task, in standardised units.
        class_aucs: one-vs-rest AUC by task of classes and number of the class.
    """

    roc: Mapping[str, tuple[Tensor, Tensor]]
    reliability: Mapping[str, Reliability]
    groups: Mapping[str, PredictionGroups] = field(default_factory=dict)
    class_aucs: Mapping[str, Mapping[int, float]] = field(default_factory=dict)


def curves_of(rows: Mapping[str, ScoredRows], facts: DatasetFacts) -> Curves:
    """Compute a model's curves from the labelled rows of each task."""
    first = {task: (each.predictions[0], each.labels) for task, each in rows.items()}
    reliable = {task: first[task] for task in facts.binary}
    reliable |= {task: _top_label(*first[task]) for task in facts.multiclass}
    return Curves(
        {task: roc_curve(*first[task]) for task in facts.binary},
        {t: reliability_of_equal_evidence(*p, CALIBRATION_BINS) for t, p in reliable.items()},
        {task: group_by_prediction(*first[task], VALUE_GROUPS) for task in facts.targets},
        {
            task: {number: auc for number, (auc, _) in class_aucs(*first[task]).items()}
            for task in facts.multiclass
        },
    )


def _top_label(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Logit of the confidence in the predicted class, and whether that is right; each [N]."""
    return confidences(logits).logit(), logits.argmax(1) == labels
