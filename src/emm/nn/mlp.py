"""The plain multilayer perceptron, and the size of a module."""

from collections.abc import Sequence
from itertools import pairwise

from torch import nn


def mlp(in_width: int, widths: Sequence[int], dropout: float) -> nn.Sequential:
    """Linear, BatchNorm1d, ReLU, Dropout for each of ``widths``; [B, in_width] -> [B, widths[-1]].

    The layers lie flat in one Sequential. No widths: the identity.
    """
    layers: list[nn.Module] = []
    for before, after in pairwise([in_width, *widths]):
        norm = nn.BatchNorm1d(after)
        layers += [nn.Linear(before, after), norm, nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers)


def count_parameters(module: nn.Module) -> int:
    """Number of single weights in ``module``, frozen ones included, buffers not."""
    return sum(parameter.numel() for parameter in module.parameters())
