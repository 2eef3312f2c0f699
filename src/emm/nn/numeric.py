"""Dense features as vectors: by the bin they fall into, or linear between the bins' edges."""

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor, nn

from emm.config.binding import OneOf
from emm.nn.inputs import Inputs

DenseEncoding = Annotated[str, OneOf("scaled", "binned", "piecewise")]
"""``scaled``: the number alone; ``binned``: beside it a vector of its bin; ``piecewise``: beside it
a vector that is piecewise linear in it."""

_INITIAL_STD = 0.01  # as that of the sparse fields: see emm.nn.embedding


class NumericEmbedding(nn.Module):
    """Vectors of D dense features; each has bins of its own between the ``edges`` of train.

    Piecewise: e(x) = sum over bins q of share_q(x) w_q, where share_q goes from 0 to 1 as x
    crosses the bin (piecewise linear encoding with a linear layer per feature: Gorishniy, Rubachev,
    Babenko, NeurIPS 2022, eq. 1). Binned: e(x) = w_q of the bin that x falls into. ``width``: E.
    """

    left: Tensor
    right: Tensor

    def __init__(self, edges: Sequence[Sequence[float]], width: int, *, piecewise: bool) -> None:
        super().__init__()
        self.piecewise = piecewise
        # A value at an edge belongs to the bin above; beyond the last edge lies one more bin.
        count = max((len(own) for own in edges), default=0) + 1
        left = torch.full((len(edges), count), torch.inf)
        right = torch.full((len(edges), count), torch.inf)
        for feature, own in enumerate(edges):
            inner = torch.unique(torch.tensor(own, dtype=torch.float32))
            left[feature, : len(inner) + 1] = torch.cat([torch.tensor([-torch.inf]), inner])
            right[feature, : len(inner)] = inner
        self.register_buffer("left", left, persistent=False)  # [D, Q]
        self.register_buffer("right", right, persistent=False)  # [D, Q]
        self.weight = nn.Parameter(torch.empty(len(edges), count, width).normal_(std=_INITIAL_STD))

    def forward(self, dense: Tensor) -> Tensor:
        """dense [B, D] -> [B, D*E]."""
        shares = self._shares(dense)  # [B, D, Q]
        vectors = torch.bmm(shares.transpose(0, 1), self.weight)  # [D, B, E]
        return vectors.transpose(0, 1).flatten(1)  # [B, D*E]

    def _shares(self, dense: Tensor) -> Tensor:
        x = dense.unsqueeze(2)  # [B, D, 1]
        if not self.piecewise:
            return ((x >= self.left) & (x < self.right)).to(dense.dtype)
        # Only bins with two ends have a slope; the scaled number beside it covers what lies beyond.
        inner = self.left.isfinite() & self.right.isfinite()
        left = self.left.masked_fill(~inner, 0)
        span = (self.right - self.left).masked_fill(~inner, 1)
        return ((x - left) / span).clamp(0, 1) * inner


def numeric_embedding(inputs: Inputs, encoding: str, width: int) -> NumericEmbedding | None:
    """The module for an encoding, None where the numbers alone are read."""
    if encoding == "scaled" or not inputs.dense:
        return None
    return NumericEmbedding(inputs.edges, width, piecewise=encoding == "piecewise")
