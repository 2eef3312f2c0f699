"""Softmax gates over experts, and the mixing of experts by their weights."""

import torch
from torch import Tensor, nn

from emm.nn.grouped import GroupedLinear
from emm.nn.kernels import in_fused_step


class Gates(nn.Module):
    """G gates over K experts each: softmax(W_g x), without a bias, as MMoE, PLE and AdaTT have it.

    All gates are one batched matmul. Ma et al., KDD 2018, eq. 7.
    """

    def __init__(self, gates: int, in_width: int, experts: int) -> None:
        super().__init__()
        self.linear = GroupedLinear(gates, in_width, experts, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, in], shared, or [B, G, in] -> weights [B, G, K], each gate's summing to one."""
        scores: Tensor = self.linear(x)  # [B, G, K]
        return scores.softmax(dim=2)


def mix(weights: Tensor, experts: Tensor) -> Tensor:
    """Weighted sums of experts; weights [B, G, K], experts [B, K, H] -> [B, G, H]."""
    if in_fused_step(experts):
        return (weights.unsqueeze(3) * experts.unsqueeze(1)).sum(dim=2)
    return torch.bmm(weights, experts)


def own_experts(weights: Tensor) -> Tensor:
    """Weights of each task's own n experts as weights over all T*n, zero elsewhere.

    [..., T, n] -> [..., T, T*n], experts in task order. With it, experts that only some tasks
    read go through the same matmul as the others.
    """
    by_expert = weights.transpose(-1, -2)  # [..., n, T]
    return torch.diag_embed(by_expert, dim1=-3, dim2=-2).flatten(-2)  # [..., T, T*n]
