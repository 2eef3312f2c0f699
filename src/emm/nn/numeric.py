"""Embeddings of dense features: by bin, or piecewise linear between the bins' edges."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from emm.nn.inputs import Inputs

DenseEncoding = Literal["scaled", "binned", "piecewise"]
"""``scaled``: the scaled number only; ``binned``: also an embedding of the bin it falls into;
``piecewise``: also an embedding that is piecewise linear in the number."""

_INITIAL_STD = 0.01  # as for sparse fields: see emm.nn.embedding


class NumericEmbedding(nn.Module):
    """Embeddings of D dense features, each with its own bins between ``edges``, quantiles of train.

    Piecewise: e(x) = sum over bins q of share_q(x) w_q, where share_q rises from 0 to 1 as x
    crosses the bin (piecewise linear encoding with a linear layer per feature: Gorishniy, Rubachev,
    Babenko, NeurIPS 2022, eq. 1). Binned: e(x) = w_q for the bin q of x. ``width``: E.
    """

    left: Tensor
    right: Tensor

    def __init__(self, edges: Sequence[Sequence[float]], width: int, *, piecewise: bool) -> None:
        super().__init__()
        self.piecewise = piecewise
        # A value on an edge belongs to the bin above it; the last bin lies above all edges.
        count = max((len(quantiles) for quantiles in edges), default=0) + 1
        left = torch.full((len(edges), count), torch.inf)
        right = torch.full((len(edges), count), torch.inf)
        for feature, quantiles in enumerate(edges):
            inner = torch.unique(torch.tensor(quantiles, dtype=torch.float32))
            left[feature, : len(inner) + 1] = torch.cat([torch.tensor([-torch.inf]), inner])
            right[feature, : len(inner)] = inner
        self.register_buffer("left", left, persistent=False)  # [D, Q]
        self.register_buffer("right", right, persistent=False)  # [D, Q]
        self.weight = nn.Parameter(torch.empty(len(edges), count, width).normal_(std=_INITIAL_STD))

    def forward(self, dense: Tensor) -> Tensor:
        """dense [B, D] -> [B, D*E]."""
        shares = self.shares(dense)  # [B, D, Q]
        vectors = torch.bmm(shares.transpose(0, 1), self.weight)  # [D, B, E]
        return vectors.transpose(0, 1).flatten(1)  # [B, D*E]

    def shares(self, dense: Tensor) -> Tensor:
        """The share of each bin in the embedding: dense [B, D] -> [B, D, Q]."""
        x = dense.unsqueeze(2)  # [B, D, 1]
        if not self.piecewise:
            return ((x >= self.left) & (x < self.right)).to(dense.dtype)
        # Only bins with two finite edges have a slope; outside, the scaled number varies instead.
        inner = self.left.isfinite() & self.right.isfinite()
        left = self.left.masked_fill(~inner, 0)
        span = (self.right - self.left).masked_fill(~inner, 1)
        # In place: new tensors of this size cost more than the arithmetic.
        return (x - left).div_(span).clamp_(0, 1).mul_(inner)


def numeric_embedding(inputs: Inputs, encoding: str, width: int) -> NumericEmbedding | None:
    """The module for an encoding; None if only the scaled numbers are read."""
    if encoding == "scaled" or not inputs.dense:
        return None
    return NumericEmbedding(inputs.edges, width, piecewise=encoding == "piecewise")
