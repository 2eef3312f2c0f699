"""Errors of predicted values: R squared, RMSE, MAE, and means of groups of rows for a plot."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from emm.core.errors import DataError
from emm.metrics.checks import check_values
from emm.metrics.weights import check_weights, mean


def r_squared(predictions: Tensor, labels: Tensor, weights: Tensor | None = None) -> float:
    """1 - sum (y - f)^2 / sum (y - mean y)^2 of predictions f [N] and labels y [N].

    The mean and the sums are weighted by the rows' ``weights`` [N] unless these are None.

    1 is perfect, 0 is the score of the labels' mean, and there is no lower bound. It doesn't depend
    on the units, which both share. Raises DataError for labels of a single value, and unless all
    numbers are finite.
    """
    check_values(predictions, labels)
    labels = labels.double()
    if weights is not None:
        check_weights(weights, len(labels))
        counted = weights > 0
        predictions, labels, weights = predictions[counted], labels[counted], weights[counted]
    if bool((labels == labels[0]).all()):
        raise DataError(
            "R squared is undefined: all labels have one value",
            got=f"{float(labels[0])} in {len(labels)} rows",
            expected="at least two values",
        )
    if weights is not None:
        squares = (labels - mean(labels, weights)).square()
        errors = (labels - predictions.double()).square()
        return 1 - mean(errors, weights) / mean(squares, weights)
    spread = (labels - labels.mean()).square().sum()
    return 1 - ((labels - predictions.double()).square().sum() / spread).item()


def root_mean_squared_error(
    predictions: Tensor, labels: Tensor, weights: Tensor | None = None
) -> float:
    """Root of the mean squared error of predictions [N], in the units of labels [N].

    ``weights`` [N]: of the rows in the mean. Raises DataError unless all numbers are finite.
    """
    check_values(predictions, labels)
    return math.sqrt(mean((predictions.double() - labels.double()).square(), weights))


def mean_absolute_error(
    predictions: Tensor, labels: Tensor, weights: Tensor | None = None
) -> float:
    """Mean absolute error of predictions [N], in the units of labels [N].

    ``weights`` [N]: of the rows in the mean. Raises DataError unless all numbers are finite.
    """
    check_values(predictions, labels)
    return mean((predictions.double() - labels.double()).abs(), weights)


@dataclass(frozen=True)
class PredictionGroups:
    """Groups of rows with similar predictions: means, and the standard error of their difference.

    Attributes:
        predicted: mean prediction, [K] float64.
        observed: mean label, [K] float64.
        error: standard error of the difference of the two means, [K] float64; 0 for a single row.
        rows: number of rows, [K] int64.
    """

    predicted: Tensor
    observed: Tensor
    error: Tensor
    rows: Tensor


def group_by_prediction(predictions: Tensor, labels: Tensor, groups: int) -> PredictionGroups:
    """Divide rows into at most ``groups`` groups of equal size; predictions, labels [N].

    The edges are quantiles of the predictions. Equal predictions share a group, and empty groups
    are left out. Raises DataError unless all numbers are finite.
    """
    check_values(predictions, labels)
    predicted = predictions.double().contiguous()
    last = torch.arange(1, groups, device=predicted.device) * len(predicted) // groups - 1
    edges = predicted.sort().values[last.clamp(min=0)]
    group = torch.bucketize(predicted, edges)  # edges[k - 1] < prediction <= edges[k]
    rows = group.bincount(minlength=groups)
    filled = rows > 0
    residuals = labels.double() - predicted

    def means(values: Tensor) -> Tensor:
        sums = torch.zeros(groups, dtype=torch.float64, device=values.device)
        return sums.index_add(0, group, values) / rows.clamp(min=1)

    bias = means(residuals)
    variance = means((residuals - bias[group]).square()) / (rows - 1).clamp(min=1)
    centre = means(predicted)
    errors = variance.sqrt()
    return PredictionGroups(centre[filled], (centre + bias)[filled], errors[filled], rows[filled])
