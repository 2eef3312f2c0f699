"""Metrics of a task, by its kind: the one score that models are compared by, and all metrics."""

from collections.abc import Sequence

from torch import Tensor

from emm.metrics.calibration import expected_calibration_error, log_loss
from emm.metrics.group_ranking import gauc
from emm.metrics.ranking import auc
from emm.metrics.regression import mean_absolute_error, r_squared, root_mean_squared_error


def score(kind: str, prediction: Tensor, label: Tensor) -> float:
    """The score by which epochs and models are compared, higher is better; prediction, label [N].

    AUC for a "binary" task, R squared for a "regression" task. Raises DataError as they do.
    """
    return r_squared(prediction, label) if kind == "regression" else auc(prediction, label)


def scores(predictions: Tensor, labels: Tensor, kinds: Sequence[str] = ()) -> tuple[float, ...]:
    """`score` of each task; predictions, labels [N, T]. ``kinds`` is () for binary tasks."""
    kinds = kinds or ("binary",) * predictions.shape[1]
    columns = zip(kinds, predictions.unbind(1), labels.unbind(1), strict=True)
    return tuple(score(*column) for column in columns)


def task_metrics(
    kind: str,
    predictions: Tensor,
    labels: Tensor,
    *,
    bins: int,
    std: float = 1.0,
    groups: Tensor | None = None,
) -> dict[str, list[float]]:
    """All metrics of one task, each with one value per seed.

    A "binary" task has auc, logloss (nats), ece and, with ``groups``, gauc. A "regression" task has
    r2, rmse and mae.

    Args:
        predictions: [S, N], logits for a binary task.
        labels: [N].
        bins: number of bins of the calibration error.
        std: standard deviation by which a standardised label was divided; rmse and mae are
            multiplied by it and so in the label's original units.
        groups: group of each row, [N] (`emm.metrics.group_ranking.gauc`).
    """
    if kind == "regression":
        return {
            "r2": [r_squared(one, labels) for one in predictions],
            "rmse": [std * root_mean_squared_error(one, labels) for one in predictions],
            "mae": [std * mean_absolute_error(one, labels) for one in predictions],
        }
    grouped = {} if groups is None else {"gauc": [gauc(one, labels, groups) for one in predictions]}
    return {
        "auc": [auc(one, labels) for one in predictions],
        "logloss": [log_loss(one, labels) for one in predictions],
        "ece": [expected_calibration_error(one, labels, bins) for one in predictions],
        **grouped,
    }
