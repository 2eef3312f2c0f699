"""All metrics of a task, for each kind; training needs `scores` alone, and so none of these."""

from torch import Tensor

from emm.metrics.calibration import expected_calibration_error, log_loss
from emm.metrics.group_ranking import gauc
from emm.metrics.ranking import auc
from emm.metrics.regression import mean_absolute_error, r_squared, root_mean_squared_error


def task_scores(
    kind: str,
    predictions: Tensor,
    labels: Tensor,
    *,
    bins: int,
    std: float = 1.0,
    groups: Tensor | None = None,
) -> dict[str, list[float]]:
    """Metrics of one task, one number a seed; predictions [S, N], labels [N].

    Of a "binary" task, predictions being logits: auc, logloss in nats, and ece over ``bins`` bins;
    with ``groups`` [N] of the rows gauc, too (`emm.metrics.group_ranking.gauc`).
    Of a "regression" task: r2, and rmse and mae times ``std``, so in the label's own units where
    the label was standardised by it.
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
