"""Bootstrap of AUCs over rows, for tasks of several classes and for rows with weights.

A resample draws from the rows of each class as many as there are, with replacement: like DeLong's
test, it takes the sizes of the classes as given.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from emm.core.errors import DataError
from emm.metrics.classes import check_classes, log_probabilities
from emm.metrics.significance import Comparison, compared
from emm.metrics.weights import check_weights

RESAMPLES = 1000  # the standard error of their standard deviation is 2 percent of it
_ELEMENTS = 1 << 20  # of a block of resamples, so that it fits into the processor's cache


class _Ranking(NamedTuple):
    """The rows of the positives [P], those of the negatives by ascending score [Q], and how many
    negatives are below each positive [P], and below or equal to it [P]."""

    positives: Tensor
    negatives: Tensor
    below: Tensor
    not_above: Tensor


def auc_replicates(
    predictions: Tensor,
    labels: Tensor,
    weights: Tensor | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Tensor:
    """AUC of the rows themselves, then of each resample: [1 + R] float64.

    It is the mean over seeds and, for a task of classes, over the K classes that occur. Models over
    the same labels have the same resamples.

    Args:
        predictions: scores [S, N] of a binary task, or logits [S, N, C] of a task of classes.
        labels: [N].
        weights: of the rows, [N]; None weighs all equally.

    Raises DataError unless at least two classes occur, each in at least two rows.
    """
    predictions, labels = predictions.cpu(), labels.cpu()
    base = (torch.ones(len(labels)) if weights is None else weights.cpu()).double()
    check_weights(base, len(labels))
    members = _members(predictions, labels, base > 0)
    columns = [_ranking(*each) for each in _columns(predictions, labels, list(members))]
    found = [_mean_auc(columns, base.unsqueeze(1))]
    generator = torch.Generator().manual_seed(seed)
    block = max(1, _ELEMENTS // len(labels))
    for start in range(0, resamples, block):
        counts = torch.zeros(len(labels), min(block, resamples - start), dtype=torch.float64)
        for rows in members.values():
            counts[rows] = _drawn(len(rows), counts.shape[1], generator)
        found.append(_mean_auc(columns, counts * base.unsqueeze(1)))
    return torch.cat(found)


def mean_and_error(replicates: Tensor) -> tuple[float, float]:
    """The AUC, and its standard error: the deviation over resamples; replicates [1 + R]."""
    return replicates[0].item(), replicates[1:].std().item()


def compare_replicates(first: Tensor, second: Tensor) -> Comparison:
    """Paired test of whether two models have equal AUCs, from the replicates of both, [1 + R].

    z is the difference over the deviation of its replicates. p is that of a normal distribution: a
    share of R resamples couldn't be smaller than 1 / R.
    """
    return compared(*mean_and_error(first - second))


def _members(predictions: Tensor, labels: Tensor, drawn: Tensor) -> dict[int, Tensor]:
    """The rows of each class that occurs, by its number, among the rows that are ``drawn`` [N]."""
    if predictions.ndim == 3:
        check_classes(predictions[0], labels)
    numbers = range(predictions.shape[2] if predictions.ndim == 3 else 2)
    rows = {number: (drawn & (labels == number)).nonzero().squeeze(1) for number in numbers}
    members = {number: found for number, found in rows.items() if len(found)}
    if len(members) < 2 or any(len(found) < 2 for found in members.values()):
        raise DataError(
            "a bootstrap of the AUC needs at least two rows of each class",
            got=", ".join(f"{len(found)} rows of class {n}" for n, found in members.items()),
            expected="a variance within each class",
        )
    return members


def _columns(
    predictions: Tensor, labels: Tensor, present: list[int]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Scores [N] and whether a row is positive [N], for each seed and class."""
    for of_seed in predictions:
        if of_seed.ndim == 1:
            yield of_seed, labels == 1
            continue
        scores = log_probabilities(of_seed)
        yield from ((scores[:, number], labels == number) for number in present)


def _ranking(scores: Tensor, positive: Tensor) -> _Ranking:
    positives, negatives = positive.nonzero().squeeze(1), (~positive).nonzero().squeeze(1)
    ordered, order = scores[negatives].sort()
    upper = scores[positives].contiguous()
    below, not_above = (torch.searchsorted(ordered, upper, right=right) for right in (False, True))
    return _Ranking(positives, negatives[order], below, not_above)


def _drawn(rows: int, resamples: int, generator: torch.Generator) -> Tensor:
    """How often each of ``rows`` rows is drawn, in each of R resamples: [rows, R]."""
    drawn = torch.randint(rows, (rows, resamples), generator=generator)
    places = drawn * resamples + torch.arange(resamples)
    return places.flatten().bincount(minlength=rows * resamples).view(rows, resamples).double()


def _mean_auc(columns: list[_Ranking], weights: Tensor) -> Tensor:
    """Mean AUC of the columns for weights [N, R] of the rows: [R]."""
    return torch.stack([_auc(column, weights) for column in columns]).mean(0)


def _auc(ranking: _Ranking, weights: Tensor) -> Tensor:
    positives, negatives = weights[ranking.positives], weights[ranking.negatives]
    sums = torch.zeros(len(negatives) + 1, weights.shape[1], dtype=weights.dtype)
    torch.cumsum(negatives, 0, out=sums[1:])  # the weight of the k lowest negatives, [Q + 1, R]
    wins = positives * (sums[ranking.below] + sums[ranking.not_above])
    return wins.sum(0) / (2 * positives.sum(0) * sums[-1])
