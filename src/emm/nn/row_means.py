"""Weighted means over the rows of a batch, which several processes may share."""

import torch
from torch import Tensor, distributed


def mean_over_rows(values: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean over rows, 0 where all weights are 0; values, weights [B, ...] -> [...].

    If several processes share the batch, this is the process's part of the mean: the mean of the
    parts over the processes is the mean over the rows of all of them.
    """
    total = per_process(weights.sum(dim=0))
    return (weights * values).sum(dim=0) / total.clamp(min=torch.finfo(total.dtype).tiny)


def per_process(total: Tensor) -> Tensor:
    """A total over a batch's rows as its mean over the processes that share the batch."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return total
    total = total.clone()
    distributed.all_reduce(total)
    return total / distributed.get_world_size()
