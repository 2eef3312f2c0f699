"""How well scores rank positives above negatives: AUC and the ROC curve, exact with ties."""

import torch
from torch import Tensor

from emm.core.errors import DataError
from emm.metrics.checks import check_pair
from emm.metrics.weights import check_weights

BLOCK = 1 << 18  # rows per block, so that intermediate results fit the processor's cache
_PACKABLE = (torch.float32, torch.float16, torch.bfloat16)


def auc(scores: Tensor, labels: Tensor, weights: Tensor | None = None) -> float:
    """Area under the ROC curve of scores [N] and labels [N]; equal scores count one half.

    Equal to (sum of the positives' average ranks - P (P + 1) / 2) / (P (N - P)) for P positives,
    but computed in integers, so that only the last division rounds. With ``weights`` [N], a pair of
    a positive and a negative row counts by the product of their weights, in float64.
    Raises DataError for labels of a single class and for NaN scores.
    """
    if weights is not None:
        return _weighted_auc(scores, labels, weights)
    if scores.device.type == "cpu" and scores.dtype in _PACKABLE:
        check_pair(scores, labels)
        twice_area, negatives = _wins(_sorted_keys(scores.detach(), labels))
        positives = len(scores) - negatives
        _check_both_classes(negatives, positives)
    else:
        counts = _counts(scores, labels)
        twice_area = _twice_area(*counts)
        negatives, positives = (int(count[-1]) for count in counts)
    return twice_area / (2 * positives * negatives)


def aucs(scores: Tensor, labels: Tensor) -> list[float]:
    """AUC of each column of scores [N, T] with the same column of labels [N, T]."""
    return [auc(*columns) for columns in zip(scores.unbind(1), labels.unbind(1), strict=True)]


def roc_curve(scores: Tensor, labels: Tensor, points: int = 200) -> tuple[Tensor, Tensor]:
    """False- and true-positive rates of the ROC curve, for a plot: [K] float64, K <= ``points``.

    Every point lies on the exact curve, which runs from (0, 0) to (1, 1). Half of the rates of
    false positives are evenly spaced on a linear scale, half on a log scale, so that either plot is
    smooth. They depend only on the number of negatives: curves over the same labels share them.
    Raises DataError like `auc`.
    """
    false_positives, true_positives = _counts(scores, labels)
    negatives = int(false_positives[-1])
    at = _thinned(negatives, points - 1, scores.device)  # [K-1]
    left = torch.searchsorted(false_positives, at, right=True) - 1
    right = (left + 1).clamp(max=len(false_positives) - 1)
    width = (false_positives[right] - false_positives[left]).clamp(min=1)
    share = (at - false_positives[left]).double() / width
    rise = (true_positives[right] - true_positives[left]).double()
    heights = (true_positives[left] + share * rise) / true_positives[-1]
    origin = torch.zeros(1, dtype=torch.float64, device=scores.device)
    return torch.cat([origin, at.double() / negatives]), torch.cat([origin, heights])


def _sorted_keys(scores: Tensor, labels: Tensor) -> Tensor:
    """Sorted keys [N] int64 of scores of at most 32 bits: twice the score's rank, plus the label.

    Sorting plain integers is several times faster than a sort that also returns the order.
    """
    keys = torch.empty(len(scores), dtype=torch.int64)
    blocks = (torch.split(each, BLOCK) for each in (keys, scores, labels))
    for key, score, label in zip(*blocks, strict=True):
        bits = (score.float() + 0).view(torch.int32)  # + 0 turns -0 into 0, its equal
        bits ^= (bits >> 31) & 0x7FFFFFFF  # negative floats are ordered against their bits
        key.copy_(bits).mul_(2).add_(label == 1)
    keys.numpy().sort()  # in place
    return keys


def _wins(keys: Tensor) -> tuple[int, int]:
    """Twice the pairs won by positives (a tie is half a win) and the negatives; sorted keys [N]."""
    start = twice = negatives = 0
    while start < len(keys):
        # The last score of a block may continue after it: bisection finds all of its rows.
        last = int(keys[min(start + BLOCK, len(keys)) - 1]) | 1
        marks = torch.searchsorted(keys, torch.tensor([last - 1, last, last + 1]))
        first, middle, stop = marks.tolist()
        block = keys[start:first]
        ends = _last_of_each(block >> 1).nonzero().squeeze(1)  # [K]
        positive = (block & 1).cumsum(0)[ends]
        positive, negative = (_from_zero(x) for x in (positive, ends + 1 - positive))  # [K + 1]
        twice += _twice_area(positive, negative) + 2 * int(positive[-1]) * negatives
        negatives += int(negative[-1])
        twice += (stop - middle) * (2 * negatives + middle - first)
        negatives += middle - first
        start = stop
    return twice, negatives


def _weighted_auc(scores: Tensor, labels: Tensor, weights: Tensor) -> float:
    check_pair(scores, labels)
    check_weights(weights, len(scores))
    ordered, order = scores.sort(descending=True)
    ends = _last_of_each(ordered).nonzero().squeeze(1)  # [K]
    positive, weight = (labels == 1)[order], weights.double()[order]
    ups, across = (_from_zero(x.cumsum(0)[ends]) for x in (weight * positive, weight * ~positive))
    pairs = ups[-1] * across[-1]
    if not bool(pairs):
        _check_both_classes(int((weight[~positive] > 0).sum()), int((weight[positive] > 0).sum()))
    return ((across.diff() * (ups[1:] + ups[:-1])).sum() / (2 * pairs)).item()


def _twice_area(across: Tensor, up: Tensor) -> int:
    """Twice the area under the steps through counts [K] int64 of both classes, which start at 0.

    A step is a trapezoid where rows of both classes have the same score.
    """
    return int((across.diff() * (up[1:] + up[:-1])).sum())


def _from_zero(counts: Tensor) -> Tensor:
    return torch.nn.functional.pad(counts, (1, 0))


def _counts(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """False and true positives [K] int64 at each threshold, from (0, 0) to (negatives, positives).

    One point per distinct score, found by one sort.
    """
    check_pair(scores, labels)
    ordered, order = scores.sort(descending=True)
    ends = _last_of_each(ordered).nonzero().squeeze(1)  # [K]
    true_positives = labels[order].cumsum(0, dtype=torch.int64)[ends]
    false_positives = ends + 1 - true_positives
    _check_both_classes(int(false_positives[-1]), int(true_positives[-1]))
    return _from_zero(false_positives), _from_zero(true_positives)


def _check_both_classes(negatives: int, positives: int) -> None:
    if negatives == 0 or positives == 0:
        raise DataError(
            "the AUC is undefined: all labels are of one class",
            got=f"{positives} positives and {negatives} negatives",
            expected="at least one of each",
        )


def _thinned(negatives: int, points: int, device: torch.device) -> Tensor:
    """At most ``points`` distinct counts from 0 to ``negatives``, ascending, ends included."""
    even = torch.linspace(0, negatives, points - points // 2, dtype=torch.float64)
    logarithmic = torch.logspace(
        0, torch.tensor(negatives).double().log10().item(), points // 2, dtype=torch.float64
    )
    counts = torch.cat([even, logarithmic]).round().long().sort().values
    return counts[_last_of_each(counts)].to(device)


def _last_of_each(ordered: Tensor) -> Tensor:
    """Mask of the last value of each run of equal values."""
    mask = torch.ones_like(ordered, dtype=torch.bool)
    mask[:-1] = ordered[1:] != ordered[:-1]
    return mask
