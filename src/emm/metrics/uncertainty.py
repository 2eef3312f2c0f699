"""What the test rows leave uncertain about an AUC: confidence intervals and paired tests.

The standard error is DeLong's for a binary task, and that of a bootstrap for a task of classes or
for rows with weights. Neither covers retraining.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from torch import Tensor

from emm.metrics.bootstrap import auc_replicates, compare_replicates, mean_and_error
from emm.metrics.significance import Comparison, auc_over_seeds, delong_over_seeds

NORMAL_QUANTILE = 1.959963984540054  # of 97.5 percent


class Interval(NamedTuple):
    """A 95 percent confidence interval."""

    low: float
    high: float


@dataclass(frozen=True)
class ScoredRows:
    """The labelled rows of a task, and what a model predicts for them.

    Attributes:
        predictions: scores [S, N] of a binary task, or logits [S, N, C] of a task of classes.
        labels: [N].
        weights: of the rows, [N]; None weighs all equally.
    """

    predictions: Tensor
    labels: Tensor
    weights: Tensor | None = None

    @property
    def resampled(self) -> bool:
        """Whether standard errors are those of a bootstrap."""
        return self.weights is not None or self.predictions.ndim > 2

    @cached_property
    def replicates(self) -> Tensor:
        """See `auc_replicates`."""
        return auc_replicates(self.predictions, self.labels, self.weights)


def auc_interval(rows: ScoredRows) -> Interval | None:
    """Interval of the mean AUC over seeds.

    None if there is none: for a class of a single row, or an AUC of 0 or 1.
    """
    labels = rows.labels if rows.weights is None else rows.labels[rows.weights > 0]
    sizes = labels.long().bincount()
    if int(sizes[sizes > 0].min()) < 2:
        return None
    if rows.resampled:
        return logit_interval(*mean_and_error(rows.replicates))
    return logit_interval(*auc_over_seeds(rows.predictions, rows.labels))


def compare_aucs(first: ScoredRows, second: ScoredRows) -> Comparison:
    """Paired test of whether two models have equal mean AUCs over seeds, on the same rows.

    Raises DataError for fewer than two rows of a class.
    """
    if first.resampled:
        return compare_replicates(first.replicates, second.replicates)
    return delong_over_seeds(first.predictions, second.predictions, first.labels)


def logit_interval(auc: float, standard_error: float) -> Interval | None:
    """The interval that is symmetric in the logit of the AUC, so that it stays within 0 and 1.

    By the delta method, the standard error of the logit is that of the AUC over AUC (1 - AUC).
    """
    if not 0 < auc < 1:
        return None
    centre = math.log(auc / (1 - auc))
    reach = NORMAL_QUANTILE * standard_error / (auc * (1 - auc))
    return Interval(*(0.5 + 0.5 * math.tanh(x / 2) for x in (centre - reach, centre + reach)))
