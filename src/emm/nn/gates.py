"""Softmax gates over experts, and weighted sums of experts."""

import torch
from torch import Tensor, nn

from emm.nn.kernels import compiled_on_cpu
from emm.nn.mlp import GroupedLinear


class Gates(nn.Module):
    """G gates over K experts each: softmax(W_g x), without a bias, as in MMoE, PLE and AdaTT.

    With ``bias``: softmax(W_g x + b_g). All gates are computed in one batched matmul. Ma et al.,
    KDD 2018, eq. 7.
    """

    def __init__(self, gates: int, in_width: int, experts: int, *, bias: bool = False) -> None:
        super().__init__()
        self.linear = GroupedLinear(gates, in_width, experts, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, in], shared by all gates, or [B, G, in] -> weights [B, G, K] with sum 1 over K."""
        scores: Tensor = self.linear(x)  # [B, G, K]
        return scores.softmax(dim=2)


def mix(weights: Tensor, experts: Tensor) -> Tensor:
    """Weighted sums of experts; weights [B, G, K], experts [B, K, H] -> [B, G, H]."""
    if compiled_on_cpu(experts):
        return (weights.unsqueeze(3) * experts.unsqueeze(1)).sum(dim=2)
    return torch.bmm(weights, experts)


def over_all_experts(weights: Tensor) -> Tensor:
    """Extend weights over each task's own n experts by zeros to weights over all T*n experts.

    [..., T, n] -> [..., T, T*n], experts in task order. So experts that only some tasks read go
    through the same matmul as all others.
    """
    by_expert = weights.transpose(-1, -2)  # [..., n, T]
    return torch.diag_embed(by_expert, dim1=-3, dim2=-2).flatten(-2)  # [..., T, T*n]
