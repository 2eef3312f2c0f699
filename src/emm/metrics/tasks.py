"""Metrics of a task, by its kind: the one score that models are compared by, and all metrics."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from emm.data.tables.outputs import split_outputs
from emm.data.tables.schema import BINARY, CLASSES, REGRESSION
from emm.metrics.calibration import expected_calibration_error, log_loss
from emm.metrics.classes import (
    accuracy,
    class_log_loss,
    macro_auc,
    prevalence_auc,
    top_label_error,
)
from emm.metrics.group_ranking import gauc
from emm.metrics.ranking import auc
from emm.metrics.regression import mean_absolute_error, r_squared, root_mean_squared_error


def score(kind: str, prediction: Tensor, label: Tensor) -> float:
    """The score by which epochs and models are compared, higher is better; label [N].

    AUC for a "binary" task, R squared for a "regression" task, both of predictions [N], and the
    mean one-vs-rest AUC of logits [N, C] for a task of "classes". Raises DataError as they do.
    """
    if kind == CLASSES:
        return macro_auc(prediction, label)
    return r_squared(prediction, label) if kind == REGRESSION else auc(prediction, label)


def scores(
    predictions: Tensor,
    labels: Tensor,
    kinds: Sequence[str] = (),
    outputs: Sequence[int] = (),
    partly_labelled: bool = False,
) -> tuple[float, ...]:
    """`score` of each task over its labelled rows; predictions [N, O], labels [N, T].

    Args:
        kinds: kind of each task; () if all are binary.
        outputs: number of predictions of each task; () if each has one.
        partly_labelled: whether a label may be NaN, which is missing.
    """
    kinds = kinds or (BINARY,) * labels.shape[1]
    columns = zip(task_predictions(predictions, outputs, kinds), labels.unbind(1), strict=True)
    pairs = (labelled(*pair) for pair in columns) if partly_labelled else columns
    return tuple(score(kind, *pair) for kind, pair in zip(kinds, pairs, strict=True))


def task_predictions(
    predictions: Tensor, outputs: Sequence[int], kinds: Sequence[str]
) -> list[Tensor]:
    """Each task's predictions out of [..., O]: [..., C] for a task of classes, otherwise [...]."""
    parts = split_outputs(predictions, outputs)
    return [
        part if kind == CLASSES else part.squeeze(-1)
        for part, kind in zip(parts, kinds, strict=True)
    ]


def labelled(prediction: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """The rows of prediction [N, ...] and label [N] whose label isn't NaN."""
    known = ~label.isnan()
    return prediction[known], label[known]


def task_metrics(
    kind: str,
    predictions: Tensor,
    labels: Tensor,
    *,
    bins: int,
    std: float = 1.0,
    groups: Tensor | None = None,
    weights: Tensor | None = None,
) -> dict[str, list[float]]:
    """All metrics of one task, each with one value per seed.

    A "binary" task has auc, logloss (nats), ece and, with ``groups``, gauc. A task of "classes" has
    auc (the mean over classes), auc_weighted (by their rows), logloss, accuracy and ece (of the
    predicted class). A "regression" task has r2, rmse and mae.

    Args:
        predictions: [S, N], logits for a binary task; logits [S, N, C] for a task of classes.
        labels: [N].
        bins: number of bins of the calibration error.
        std: standard deviation by which a standardised label was divided; rmse and mae are
            multiplied by it and so in the label's original units.
        groups: group of each row, [N] (`emm.metrics.group_ranking.gauc`).
        weights: of the rows in every metric but gauc, [N]; None weighs all equally.
    """

    def each(metric: Callable[..., float], *settings: Any) -> list[float]:
        return [metric(one, labels, *settings, weights=weights) for one in predictions]

    if kind == REGRESSION:
        return {
            "r2": each(r_squared),
            "rmse": [std * error for error in each(root_mean_squared_error)],
            "mae": [std * error for error in each(mean_absolute_error)],
        }
    if kind == CLASSES:
        return {
            "auc": each(macro_auc),
            "auc_weighted": each(prevalence_auc),
            "logloss": each(class_log_loss),
            "accuracy": each(accuracy),
            "ece": each(top_label_error, bins),
        }
    grouped = {} if groups is None else {"gauc": [gauc(one, labels, groups) for one in predictions]}
    return {
        "auc": each(auc),
        "logloss": each(log_loss),
        "ece": each(expected_calibration_error, bins),
        **grouped,
    }
