"""What test rows and seeds leave uncertain about an AUC: confidence intervals and paired tests.

The standard error due to rows is DeLong's for a binary task, and that of a bootstrap for a task of
classes or for rows with weights.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from emm.core.errors import DataError
from emm.metrics.bootstrap import auc_replicates, compare_replicates, mean_and_error
from emm.metrics.classes import macro_auc
from emm.metrics.procedures import Estimate, Interval, estimate
from emm.metrics.ranking import auc
from emm.metrics.significance import Comparison, auc_over_seeds, delong_over_seeds


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

    @cached_property
    def deterministic(self) -> bool:
        """Whether several seeds predict exactly the same, as scikit-learn's trees do.

        One seed doesn't tell.
        """
        first, *others = self.predictions
        return bool(others) and all(torch.equal(first, other) for other in others)

    @cached_property
    def distinct(self) -> "ScoredRows":
        """The same with one seed if it is deterministic."""
        if not self.deterministic:
            return self
        return ScoredRows(self.predictions[:1], self.labels, self.weights)

    @cached_property
    def aucs(self) -> list[float]:
        """The AUC of each seed; for a task of classes its mean over classes."""
        score = auc if self.predictions.ndim == 2 else macro_auc
        return [score(of_seed, self.labels, self.weights) for of_seed in self.predictions]


def auc_estimate(rows: ScoredRows) -> Estimate:
    """The mean AUC over seeds; of the procedure if there are several seeds, or chance has no part.

    Raises DataError for fewer than two rows of a class.
    """
    once = rows.distinct
    if once.resampled:
        mean, error = mean_and_error(once.replicates)
    else:
        mean, error = auc_over_seeds(once.predictions, once.labels)
    return estimate(mean, error, [] if rows.deterministic else [rows.aucs])


def auc_interval(rows: ScoredRows) -> Interval | None:
    """Interval of the mean AUC over seeds, see `auc_estimate`.

    None if there is none: for a class of a single row, or an AUC of 0 or 1.
    """
    labels = rows.labels if rows.weights is None else rows.labels[rows.weights > 0]
    sizes = labels.long().bincount()
    if int(sizes[sizes > 0].min()) < 2:
        return None
    return logit_interval(auc_estimate(rows))


def compare_aucs(first: ScoredRows, second: ScoredRows) -> Comparison:
    """Paired test of whether these trained models have equal mean AUCs, on the same rows.

    Raises DataError for fewer than two rows of a class.
    """
    if first.resampled:
        return compare_replicates(first.replicates, second.replicates)
    return delong_over_seeds(first.predictions, second.predictions, first.labels)


def compare_procedures(first: ScoredRows, second: ScoredRows, *, paired: bool) -> Estimate:
    """The mean AUC of the first model minus that of the second, on the same rows.

    The error due to rows is that of `compare_aucs`. A deterministic model has no error due to
    seeds; it counts as one seed.

    Args:
        paired: whether the models of a seed belong together, such as a fused model and a network
            that it is made of. Then the seeds' variance is that of the differences by seed.

    Raises DataError for pairs of unequally many seeds, and for fewer than two rows of a class.
    """
    if paired and len(first.predictions) != len(second.predictions):
        raise DataError(
            "models of different numbers of seeds don't form pairs of seeds",
            got=f"{len(first.predictions)} and {len(second.predictions)} seeds",
            expected="the same seeds of both",
        )
    of_rows = compare_aucs(first.distinct, second.distinct)
    parts = [rows.aucs for rows in (first, second) if not rows.deterministic]
    if paired and len(parts) == 2:
        parts = [[one - other for one, other in zip(*parts, strict=True)]]
    return estimate(of_rows.difference, of_rows.standard_error, parts)


def logit_interval(found: Estimate) -> Interval | None:
    """The interval that is symmetric in the logit of the AUC, so that it stays within 0 and 1.

    By the delta method, the standard error of the logit is that of the AUC over AUC (1 - AUC).
    """
    mean = found.value
    if not 0 < mean < 1:
        return None
    centre = math.log(mean / (1 - mean))
    reach = found.quantile * found.error / (mean * (1 - mean))
    return Interval(*(0.5 + 0.5 * math.tanh(x / 2) for x in (centre - reach, centre + reach)))
