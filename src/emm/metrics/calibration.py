"""Calibration of predicted probabilities: log loss, calibration error, reliability curves."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from emm.core.errors import DataError
from emm.metrics.checks import check_pair
from emm.metrics.weights import check_weights, mean, sums_by

BINS = 15  # as in Guo et al. 2017, section 4
BLOCK = 1 << 18  # rows per block, so that intermediate results fit the processor's cache


@dataclass(frozen=True)
class Reliability:
    """For each non-empty bin: mean predicted probability, observed rate (float64), rows (int64).

    All are [K]. With weights of rows, the means are weighted and ``rows`` is the sum of weights.
    """

    predicted: Tensor
    observed: Tensor
    rows: Tensor


def log_loss(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> float:
    """Mean binary cross-entropy in nats of logits [N] and labels [N], computed in float64.

    ``weights`` [N]: of the rows in the mean.

    Raises DataError unless all logits are finite: a single wrong row would make the loss infinite.
    """
    check_pair(logits, labels)
    if bool(logits.isinf().any()):
        raise DataError(
            "the log loss needs finite logits",
            got=f"infinity in {int(logits.isinf().sum())} of {logits.numel()} rows",
            next_step="store logits instead of probabilities, which may be rounded to 0 or 1",
        )
    # One mean over all rows, not one per block: the order of a sum affects its last digit.
    gains = torch.empty(len(logits), dtype=torch.float64, device=logits.device)
    blocks = (torch.split(each, BLOCK) for each in (gains, logits.detach(), labels))
    for gain, logit, label in zip(*blocks, strict=True):
        wide = logit.double()
        gain.copy_(logsigmoid(torch.where(label == 1, wide, -wide)))
    return -mean(gains, weights)


def expected_calibration_error(
    logits: Tensor, labels: Tensor, bins: int = BINS, weights: Tensor | None = None
) -> float:
    """Mean over rows of |observed rate - mean prediction| in the row's bin; logits, labels [N].

    All means are weighted by the rows' ``weights`` [N] unless these are None.

    The bins of equal width and their weights are those of Guo et al. 2017 (equation 3), applied to
    the probability of the positive class instead of the confidence in the predicted class.
    """
    check_pair(logits, labels)
    return calibration_error(_probabilities(logits), labels, bins, weights)


def calibration_error(
    predicted: Tensor, labels: Tensor, bins: int, weights: Tensor | None = None
) -> float:
    """`expected_calibration_error` of probabilities [N] float64."""
    curve = _binned(predicted, labels, _equal_edges(bins, predicted.device), weights)
    gaps = (curve.observed - curve.predicted).abs()
    total = predicted.numel() if weights is None else curve.rows.sum().item()
    return (gaps * curve.rows).sum().item() / total


def reliability(logits: Tensor, labels: Tensor, bins: int = BINS) -> Reliability:
    """Reliability curve over ``bins`` bins of equal width; logits, labels [N].

    Bin k of K holds the probabilities in ((k - 1) / K, k / K]; the first bin also holds 0.
    """
    check_pair(logits, labels)
    return _binned(_probabilities(logits), labels, _equal_edges(bins, logits.device))


def reliability_of_equal_evidence(logits: Tensor, labels: Tensor, bins: int = BINS) -> Reliability:
    """Reliability curve over at most ``bins`` bins of equal evidence; logits, labels [N].

    The edges are quantiles weighted by p (1 - p), the variance that a calibrated row contributes.
    So the log-odds of the observed rate have about the same standard error in each bin,
    1 / sqrt(sum of p (1 - p)), however rare positives are. Equal probabilities share a bin.
    """
    check_pair(logits, labels)
    predicted = _probabilities(logits)
    ordered = predicted.sort().values
    evidence = (ordered * (1 - ordered)).cumsum(0)
    shares = torch.arange(1, bins, dtype=torch.float64, device=logits.device) / bins
    positions = torch.searchsorted(evidence, shares * evidence[-1])
    return _binned(predicted, labels, ordered[positions])


def _probabilities(logits: Tensor) -> Tensor:
    """Probabilities of the positive class, float64 [N]; a copy, so ``logits`` stay unchanged."""
    wide = logits.detach().double()
    return wide.sigmoid() if logits.dtype == torch.float64 else wide.sigmoid_()


def _equal_edges(bins: int, device: torch.device) -> Tensor:
    """The inner edges of ``bins`` bins of equal width."""
    return torch.linspace(0, 1, bins + 1, dtype=torch.float64, device=device)[1:-1]


def _binned(
    predicted: Tensor, labels: Tensor, edges: Tensor, weights: Tensor | None = None
) -> Reliability:
    if weights is not None:
        return _weighted_bins(predicted, labels, edges, weights)
    count = len(edges) + 1
    rows, positives = torch.zeros(2, count, dtype=torch.int64, device=predicted.device)
    sums = torch.zeros(count, dtype=torch.float64, device=predicted.device)
    blocks = (torch.split(each, BLOCK) for each in (predicted, labels))
    for probability, label in zip(*blocks, strict=True):
        bin_of_row = torch.bucketize(probability, edges)  # edges[k - 1] < p <= edges[k]
        # index_add_, because a weighted bincount has no deterministic version on CUDA.
        sums.index_add_(0, bin_of_row, probability)
        by_label = (2 * bin_of_row + (label == 1)).bincount(minlength=2 * count).view(count, 2)
        rows += by_label.sum(1)
        positives += by_label[:, 1]
    filled = rows > 0
    observed = positives.double()[filled] / rows[filled]
    return Reliability(sums[filled] / rows[filled], observed, rows[filled])


def _weighted_bins(
    predicted: Tensor, labels: Tensor, edges: Tensor, weights: Tensor
) -> Reliability:
    check_weights(weights, len(predicted))
    wide, bins = weights.double(), torch.bucketize(predicted, edges)
    columns = (wide * predicted, wide * (labels == 1), wide)
    sums, positives, total = (sums_by(bins, column, len(edges) + 1) for column in columns)
    filled = total > 0
    observed = positives[filled] / total[filled]
    return Reliability(sums[filled] / total[filled], observed, total[filled])
