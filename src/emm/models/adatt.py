"""AdaTT: adaptive task-to-task fusion. Li et al., KDD 2023."""

from collections.abc import Sequence
from math import sqrt
from typing import Literal

import torch
from torch import Tensor, nn

from emm.config.binding import Count, Share
from emm.nn.embedding import FeatureFront
from emm.nn.gates import Gates, mix, over_all_experts
from emm.nn.inputs import Inputs
from emm.nn.mlp import Towers, grouped_mlp
from emm.nn.numeric import DenseEncoding

Native = Literal["learned", "random", "fixed"]
"""Weights of a task's own experts in its residual. ``learned``: from those of the mean on;
``random``: drawn and learned as in the authors' code, where a single expert has the fixed weight 1;
``fixed``: those of the mean."""


class Fusion(nn.Module):
    """One level: f_t = sum_k g_t(x_t)_k e_k + sum_j v_tj e_tj, for each of R units that read.

    There are ``units`` units with n ``experts`` each; the first R are read, the tasks first. The
    first sum is the gated fusion of all units' experts. The second is the residual: a linear
    combination of unit t's own (native) experts, with the weights ``native`` [R, n].
    """

    native: Tensor

    def __init__(
        self,
        units: int,
        readers: int,
        in_width: int,
        experts: int,
        expert: Sequence[int],
        dropout: float,
        *,
        native: Native = "learned",
        norm: bool = True,
        gate_bias: bool = False,
    ) -> None:
        super().__init__()
        self.readers, self.others = readers, (units - readers) * experts
        self.experts = grouped_mlp(units * experts, in_width, expert, dropout, norm=norm)
        self.gates = Gates(readers, in_width, units * experts, bias=gate_bias)
        start = torch.full((readers, experts), 1 / experts)
        if native == "fixed" or (native == "random" and experts == 1):
            self.register_buffer("native", start)
            return
        if native == "random":
            start.uniform_(-sqrt(1 / experts), sqrt(1 / experts))
        self.native = nn.Parameter(start)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, in] at the first level, else [B, units, in] -> [B, R, H]."""
        gates: Tensor = self.gates(x if x.dim() == 2 else x[:, : self.readers])  # [B, R, units*n]
        own = nn.functional.pad(over_all_experts(self.native), (0, self.others))  # [R, units*n]
        return mix(gates + own, self.experts(x))


class AdaTT(nn.Module):
    """Levels of task-to-task fusion, then towers: y_t = tower_t(f_t of the last level).

    Level 1 reads the shared features; at later levels, the experts and the gate of a task read its
    fused output of the level before. ``experts``: native experts per task and level; ``expert``,
    ``tower``: hidden widths of one; ``shared``: one more unit with as many experts, which belongs
    to no task. Without it, this is the variant AdaTT-sp. ``norm``: batch norm in experts and
    towers; ``gate_bias``: gates have one; ``native``: see `Native`. The authors' code has no batch
    norm, a bias, and ``native: random``. Raises ParamsError if ``expert`` is empty.
    Li et al., "AdaTT: Adaptive Task-to-Task Fusion Network for Multitask Learning in
    Recommendations", KDD 2023.
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
        shared: bool = False,
        norm: bool = True,
        gate_bias: bool = False,
        native: Native = "learned",
        outputs: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.front = FeatureFront(inputs, embedding_dim, dense_encoding)
        units = tasks + shared
        fusions = (
            Fusion(
                units,
                tasks if level == levels - 1 else units,
                expert[-1] if level else self.front.width,
                experts,
                expert,
                dropout,
                native=native,
                norm=norm,
                gate_bias=gate_bias,
            )
            for level in range(levels)
        )
        self.levels = nn.Sequential(*fusions)
        self.towers = Towers(tasks, expert[-1], tower, dropout, outputs, norm=norm)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """dense [B, D], sparse [B, F] -> logits [B, O]."""
        logits: Tensor = self.towers(self.levels(self.front(dense, sparse)))
        return logits
