"""Sums of the leaves that rows end in; tree k adds to output k % outputs."""

from itertools import pairwise

import torch
from torch import Tensor


def by_output(leaves: Tensor, outputs: int) -> Tensor:
    """Sums over the trees of each output: leaves [b, trees] -> [b, outputs], or [b] of one."""
    if outputs == 1:
        return leaves.sum(1)
    rounds = leaves.shape[1] // outputs
    return leaves.view(len(leaves), rounds, outputs).sum(1)


def by_level(leaves: Tensor, outputs: int, levels: int) -> Tensor:
    """Sums over ``levels`` groups of consecutive rounds, one tree after another.

    The sizes of the groups differ by one round at most. leaves [b, trees] -> [b, outputs * levels],
    output by output.
    """
    if not leaves.is_cpu or torch.compiler.is_compiling():
        return _by_index(leaves, outputs, levels)
    # On a CPU, the last of the cumulative sums has the same bits, and takes one operation.
    rounds = leaves.shape[1] // outputs
    by_round = leaves.view(len(leaves), rounds, outputs)
    bounds = [-(-rounds * level // levels) for level in range(levels + 1)]
    empty = leaves.new_zeros(len(leaves), outputs)
    sums = [
        by_round[:, start:end].cumsum(1)[:, -1] if end > start else empty
        for start, end in pairwise(bounds)
    ]
    return torch.stack(sums, dim=2).flatten(1)


def _by_index(leaves: Tensor, outputs: int, levels: int) -> Tensor:
    trees = torch.arange(leaves.shape[1], device=leaves.device)
    rounds = max(1, len(trees) // outputs)
    level = (trees // outputs * levels).div(rounds, rounding_mode="floor")  # [trees]
    column = trees % outputs * levels + level  # [trees]
    return leaves.new_zeros(len(leaves), outputs * levels).index_add(1, column, leaves)
