"""AdaTT-sp: adaptive task-to-task fusion without shared experts. Li et al., KDD 2023."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from emm.config.binding import Count, Share
from emm.nn.embedding import FeatureFront
from emm.nn.gates import Gates, mix, over_all_experts
from emm.nn.inputs import Inputs
from emm.nn.mlp import Towers, grouped_mlp
from emm.nn.numeric import DenseEncoding


class Fusion(nn.Module):
    """One level: f_t = sum_k g_t(x_t)_k e_k + sum_j v_tj e_tj.

    The first sum is the gated fusion of all tasks' experts. The second is the residual: a linear
    combination of task t's own (native) experts, whose learned weights ``native`` [T, n] start as
    those of the mean.
    """

    def __init__(
        self, tasks: int, in_width: int, experts: int, expert: Sequence[int], dropout: float
    ) -> None:
        super().__init__()
        self.experts = grouped_mlp(tasks * experts, in_width, expert, dropout)
        self.gates = Gates(tasks, in_width, tasks * experts)
        self.native = nn.Parameter(torch.full((tasks, experts), 1 / experts))

    def forward(self, x: Tensor) -> Tensor:
        """x [B, in] at the first level, else [B, T, in] -> [B, T, H]."""
        weights = self.gates(x) + over_all_experts(self.native)  # [B, T, T*n]
        return mix(weights, self.experts(x))


class AdaTT(nn.Module):
    """Levels of task-to-task fusion, then towers: y_t = tower_t(f_t of the last level).

    Level 1 reads the shared features; at later levels, the experts and the gate of a task read its
    fused output of the level before. ``experts``: native experts per task and level; ``expert``,
    ``tower``: hidden widths of one. Raises ParamsError if ``expert`` is empty.
    Li et al., "AdaTT: Adaptive Task-to-Task Fusion Network for Multitask Learning in
    Recommendations", KDD 2023, the AdaTT-sp variant.
    """

    def __init__(
        self,
        inputs: Inputs,
        tasks: int,
        *,
        embedding_dim: Count = 4,
        levels: Count = 2,
        experts: Count = 3,
        expert: Sequence[int] = (128, 64),
        tower: Sequence[int] = (32,),
        dropout: Share = 0.0,
        dense_encoding: DenseEncoding = "scaled",
        outputs: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.front = FeatureFront(inputs, embedding_dim, dense_encoding)
        fusions = (
            Fusion(tasks, expert[-1] if level else self.front.width, experts, expert, dropout)
            for level in range(levels)
        )
        self.levels = nn.Sequential(*fusions)
        self.towers = Towers(tasks, expert[-1], tower, dropout, outputs)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """dense [B, D], sparse [B, F] -> logits [B, O]."""
        logits: Tensor = self.towers(self.levels(self.front(dense, sparse)))
        return logits
