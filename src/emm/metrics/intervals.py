"""Confidence intervals of AUCs."""

import math
from typing import NamedTuple

from torch import Tensor

from emm.metrics.bootstrap import auc_replicates, mean_and_error
from emm.metrics.significance import auc_over_seeds

NORMAL_QUANTILE = 1.959963984540054  # of 97.5 percent


class Interval(NamedTuple):
    """A 95 percent confidence interval."""

    low: float
    high: float


def auc_interval(
    predictions: Tensor, labels: Tensor, weights: Tensor | None = None
) -> Interval | None:
    """Interval of the mean AUC over seeds, given the models: it doesn't cover retraining.

    The standard error is DeLong's for a binary task, and that of `auc_replicates` for a task of
    classes or with weights. None if there is none: for a class of a single row, or an AUC of 0
    or 1.

    Args:
        predictions: scores [S, N] of a binary task, or logits [S, N, C] of a task of classes.
        labels: [N].
        weights: of the rows, [N]; None weighs all equally.
    """
    rows = (labels if weights is None else labels[weights > 0]).long().bincount()
    if int(rows[rows > 0].min()) < 2:
        return None
    if weights is None and predictions.ndim == 2:
        return logit_interval(*auc_over_seeds(predictions, labels))
    return logit_interval(*mean_and_error(auc_replicates(predictions, labels, weights)))


def logit_interval(auc: float, standard_error: float) -> Interval | None:
    """The interval that is symmetric in the logit of the AUC, so that it stays within 0 and 1.

    By the delta method, the standard error of the logit is that of the AUC over AUC (1 - AUC).
    """
    if not 0 < auc < 1:
        return None
    centre = math.log(auc / (1 - auc))
    reach = NORMAL_QUANTILE * standard_error / (auc * (1 - auc))
    return Interval(*(0.5 + 0.5 * math.tanh(x / 2) for x in (centre - reach, centre + reach)))
