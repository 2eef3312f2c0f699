"""Weights of rows in metrics: a row of weight 2 counts like two equal rows."""

import torch
from torch import Tensor

from emm.core.errors import DataError


def check_weights(weights: Tensor, rows: int) -> None:
    """Raise DataError unless the weights are [rows], finite, not negative and not all 0."""
    if weights.shape != (rows,):
        raise DataError(
            "weights and rows don't match",
            got=f"weights {list(weights.shape)}",
            expected=f"one weight for each of {rows} rows",
        )
    usable = weights.isfinite() & (weights >= 0)
    if not bool(usable.all()):
        raise DataError(
            "a row has an unusable weight",
            got=f"{float(weights[~usable][0])} in {int((~usable).sum())} of {rows} rows",
            expected="finite numbers from 0",
        )
    if not bool(weights.any()):
        raise DataError("all rows have the weight 0", got=f"{rows} rows")


def mean(values: Tensor, weights: Tensor | None) -> float:
    """Mean of values [N] float64, weighted unless ``weights`` [N] is None."""
    if weights is None:
        return values.mean().item()
    check_weights(weights, len(values))
    wide = weights.double()
    return ((wide * values).sum() / wide.sum()).item()


def sums_by(groups: Tensor, values: Tensor, count: int) -> Tensor:
    """Sum of the values [N] of each group 0 to ``count`` - 1, [count] float64; groups [N] int64."""
    # index_add_, because a weighted bincount has no deterministic version on CUDA.
    sums = torch.zeros(count, dtype=torch.float64, device=values.device)
    return sums.index_add_(0, groups, values.double())
