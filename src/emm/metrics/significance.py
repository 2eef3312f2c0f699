"""Significance of differences between AUCs over the same rows: DeLong's test, Holm's correction.

P is the number of positive rows, Q = N - P that of negative rows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from emm.core.errors import DataError
from emm.metrics.checks import check_pair


@dataclass(frozen=True)
class Comparison:
    """Difference AUC(first) - AUC(second), its standard error, their ratio z, and the two-sided p.

    The difference and its standard error are in units of the AUC, which runs from 0 to 1.
    """

    difference: float
    standard_error: float
    z: float
    p: float


def delong(first: Tensor, second: Tensor, labels: Tensor) -> Comparison:
    """Paired DeLong test of whether the scores [N], [N] of two models have equal AUCs; labels [N].

    DeLong, DeLong and Clarke-Pearson (Biometrics 1988): the AUC is the mean over positives of
    V10(x) = (negatives below x + half of those equal to x) / Q, and the mean over negatives of
    V01(y) = (positives above y + half of those equal to y) / P. The variance of the difference is
    var(V10 of first - V10 of second) / P + var(V01 of first - V01 of second) / Q.
    As in Sun and Xu (IEEE Signal Processing Letters 2014), V10 and V01 are differences of
    mid-ranks, found by sorting in O(N log N); equal scores are counted exactly.

    z is normally distributed if there are many rows of each class. If the rows have no variance, p
    is 1 (z 0) for equal AUCs and 0 (z infinite) otherwise.
    Raises DataError for fewer than two rows of a class and for NaN scores.
    """
    for scores in (first, second):
        check_pair(scores, labels)
    return _compare(first.unsqueeze(0), second.unsqueeze(0), labels)


def delong_over_seeds(first: Tensor, second: Tensor, labels: Tensor) -> Comparison:
    """Paired DeLong test of the mean AUC over seeds; first [S, N], second [S', N], labels [N].

    The first model was trained S times, the second S' times, and the difference is that of their
    mean AUCs. A mean AUC is the mean of V10, or V01, averaged over seeds, so these averages replace
    V10 and V01 in `delong`. This is the linear contrast of DeLong et al. 1988 over S + S' AUCs with
    weights 1 / S and -1 / S'. For S = S' = 1 it equals `delong`.

    The test is about these trained models: its standard error is that due to the test rows. Other
    seeds give other models; `emm.metrics.procedures` takes them into account, too.
    Raises DataError without seeds, and otherwise like `delong`.
    """
    for scores in (first, second):
        _check_seeds(scores)
        for of_seed in scores:
            check_pair(of_seed, labels)
    return _compare(first, second, labels)


def auc_over_seeds(scores: Tensor, labels: Tensor) -> tuple[float, float]:
    """The mean AUC over seeds, and its standard error as in `delong_over_seeds`.

    scores [S, N], labels [N]. Raises DataError like `delong_over_seeds`.
    """
    _check_seeds(scores)
    for of_seed in scores:
        check_pair(of_seed, labels)
    positive = labels == 1
    _check_two_of_each(positive)
    return _mean_and_error(*_twice_wins(scores, positive), 2 * len(scores))


def compared(difference: float, standard_error: float) -> Comparison:
    """The comparison of a difference that is normally distributed."""
    z = _ratio(difference, standard_error)
    return Comparison(difference, standard_error, z, _two_sided(z))


def holm(p_values: Sequence[float]) -> list[float]:
    """P values adjusted by Holm (Scandinavian Journal of Statistics 1979), in the input's order.

    The k-th smallest of m p values becomes the largest of (m - j + 1) p_j over j <= k, at most 1.
    Rejecting where it is <= alpha keeps the probability of any false rejection at alpha or below,
    however the tests depend on each other. Raises DataError for a p value outside [0, 1] or NaN.
    """
    wrong = [p for p in p_values if not 0 <= p <= 1]
    if wrong:
        raise DataError("a p value is not a probability", got=wrong[0], expected="0 <= p <= 1")
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, at in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[at]))
        adjusted[at] = largest
    return adjusted


def _compare(first: Tensor, second: Tensor, labels: Tensor) -> Comparison:
    """The test of first [S, N] against second [S', N], computed in integers up to the variance.

    So equal scores give exactly 0, and swapping the models exactly flips the sign.
    """
    positive = labels == 1
    _check_two_of_each(positive)
    # Both over the common denominator 2 S S'.
    v10, v01 = (
        len(second) * of_first - len(first) * of_second
        for of_first, of_second in zip(
            _twice_wins(first, positive), _twice_wins(second, positive), strict=True
        )
    )  # [P], [Q]
    return compared(*_mean_and_error(v10, v01, 2 * len(first) * len(second)))


def _mean_and_error(v10: Tensor, v01: Tensor, unit: int) -> tuple[float, float]:
    """Mean and standard error of an AUC, or a difference of AUCs, from V10 [P] and V01 [Q] int64.

    V10 is multiplied by ``unit`` Q, and V01 by ``unit`` P.
    """
    positives, negatives = len(v10), len(v01)
    mean = int(v10.sum()) / (unit * positives * negatives)
    variances = torch.stack([v10.double().var(), v01.double().var()]).tolist()
    error = math.hypot(
        math.sqrt(variances[0] / positives) / (unit * negatives),
        math.sqrt(variances[1] / negatives) / (unit * positives),
    )
    return mean, error


def _twice_wins(scores: Tensor, positive: Tensor) -> tuple[Tensor, Tensor]:
    """2 Q V10 [P] and 2 P V01 [Q] of scores [S, N], int64, summed over seeds.

    The number of negatives below a positive plus half of those equal to it is the mid-rank of the
    positive among all rows minus that among the positives (Sun and Xu 2014), and vice versa.
    """
    positives = int(positive.sum())
    over_positives = torch.zeros(positives, dtype=torch.int64, device=scores.device)
    over_negatives = over_positives.new_zeros(len(positive) - positives)
    for of_seed in scores:
        upper, lower = of_seed[positive], of_seed[~positive]  # [P], [Q]
        over_positives += _below_or_half_equal(upper, lower)
        over_negatives += 2 * positives - _below_or_half_equal(lower, upper)
    return over_positives, over_negatives


def _below_or_half_equal(scores: Tensor, others: Tensor) -> Tensor:
    """Twice the number of others [K] below each score [N], equal ones count one half; int64."""
    ordered = others.sort().values
    below = torch.searchsorted(ordered, scores)
    return below + torch.searchsorted(ordered, scores, right=True)


def _ratio(difference: float, standard_error: float) -> float:
    if standard_error == 0:
        return math.copysign(math.inf, difference) if difference else 0.0
    return difference / standard_error


def _two_sided(z: float) -> float:
    from scipy.special import ndtr  # imported here, as it takes a third of a second

    return float(2 * ndtr(-abs(z)))


def _check_seeds(scores: Tensor) -> None:
    if scores.ndim != 2 or len(scores) == 0:
        raise DataError(
            "the scores of several seeds aren't the rows of a matrix",
            got=list(scores.shape),
            expected="one row of scores per seed: [S, N] with S > 0",
        )


def _check_two_of_each(positive: Tensor) -> None:
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if min(negatives, positives) < 2:
        raise DataError(
            "DeLong's test needs at least two rows of each class",
            got=f"{positives} positives and {negatives} negatives",
            expected="a variance within each class",
        )
