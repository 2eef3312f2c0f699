"""How well scores rank positives above negatives: AUC and the ROC curve, exact with ties."""

import torch
from torch import Tensor

from emm.core.errors import DataError
from emm.metrics.checks import check_pair


def auc(scores: Tensor, labels: Tensor) -> float:
    """Area under the ROC curve of scores [N] and labels [N]; equal scores count one half.

    Equal to (sum of the positives' average ranks - P (P + 1) / 2) / (P (N - P)) for P positives,
    counted here in whole numbers, so the only rounding is that of the last division.
    Raises DataError for labels of one class only and for NaN scores.
    """
    false_positives, true_positives = _counts(scores, labels)
    # Twice the area under each step, a trapezoid where equal scores hold both classes.
    heights = true_positives[1:] + true_positives[:-1]
    twice_area = int((false_positives.diff() * heights).sum())
    return twice_area / (2 * int(true_positives[-1]) * int(false_positives[-1]))


def aucs(scores: Tensor, labels: Tensor) -> list[float]:
    """AUC of each column of scores [N, T] with the same column of labels [N, T]."""
    return [auc(*columns) for columns in zip(scores.unbind(1), labels.unbind(1), strict=True)]


def roc_curve(scores: Tensor, labels: Tensor, points: int = 200) -> tuple[Tensor, Tensor]:
    """False- and true-positive rates [K] float64 of the ROC curve, K <= ``points``, for a plot.

    Every point lies on the exact curve. Half of the false-positive rates are evenly spaced, half
    evenly on a log scale, so the shape holds on both axes; they depend on the number of negatives
    alone, so curves over the same labels share them. The curve starts with (0, 0) and ends with
    (1, 1). Raises DataError as ``auc`` does.
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


def _counts(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """False and true positives [K] int64 at each threshold, from (0, 0) to (negatives, positives).

    One point per distinct score, found by one sort.
    """
    check_pair(scores, labels)
    ordered, order = scores.sort(descending=True)
    ends = _last_of_each(ordered).nonzero().squeeze(1)  # [K]
    true_positives = labels[order].cumsum(0, dtype=torch.int64)[ends]
    counts = torch.stack([ends + 1 - true_positives, true_positives])  # [2, K]
    _check_both_classes(*counts[:, -1].tolist())
    counts = torch.nn.functional.pad(counts, (1, 0))  # [2, K + 1]
    return counts[0].contiguous(), counts[1].contiguous()


def _check_both_classes(negatives: int, positives: int) -> None:
    if negatives == 0 or positives == 0:
        raise DataError(
            "the AUC is undefined: all labels are of one class",
            got=f"{positives} positives and {negatives} negatives",
            expected="at least one of each",
        )


def _thinned(negatives: int, points: int, device: torch.device) -> Tensor:
    """At most ``points`` distinct counts from 0 to ``negatives``, rising, both ends included."""
    even = torch.linspace(0, negatives, points - points // 2, dtype=torch.float64)
    logarithmic = torch.logspace(
        0, torch.tensor(negatives).double().log10().item(), points // 2, dtype=torch.float64
    )
    counts = torch.cat([even, logarithmic]).round().long().sort().values
    return counts[_last_of_each(counts)].to(device)


def _last_of_each(ordered: Tensor) -> Tensor:
    """Mask of the last of each run of equal values."""
    mask = torch.ones_like(ordered, dtype=torch.bool)
    mask[:-1] = ordered[1:] != ordered[:-1]
    return mask
