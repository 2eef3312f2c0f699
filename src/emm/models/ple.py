"""PLE: progressive layered extraction. Tang et al., RecSys 2020."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from emm.config.binding import Count, Share
from emm.nn.embedding import FeatureFront
from emm.nn.gates import Gates, mix, over_all_experts
from emm.nn.inputs import Inputs
from emm.nn.mlp import Towers, grouped_mlp
from emm.nn.numeric import DenseEncoding


class Extraction(nn.Module):
    """One level: task-specific experts, shared experts, and gates over both.

    A task's gate mixes the task's own experts and the shared ones (eqs. 1-3). Unless the level is
    the last, a shared gate mixes all experts into the input of the next level's shared experts.
    Experts are in task order, the shared ones last; K in all.
    """

    def __init__(
        self,
        tasks: int,
        in_width: int,
        *,
        specific_experts: int,
        shared_experts: int,
        expert: Sequence[int],
        dropout: float,
        last: bool,
    ) -> None:
        super().__init__()
        self.tasks, self.specific, self.shared = tasks, specific_experts, shared_experts
        experts = tasks * specific_experts + shared_experts
        self.experts = grouped_mlp(experts, in_width, expert, dropout)
        self.task_gates = Gates(tasks, in_width, specific_experts + shared_experts)
        self.shared_gate = None if last else Gates(1, in_width, experts)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, in] at the first level, else [B, T+1, in], the shared input last.

        -> [B, T+1, H], at the last level [B, T, H].
        """
        return mix(self._weights(x), self.experts(self._expert_inputs(x)))

    def _expert_inputs(self, x: Tensor) -> Tensor:
        """Inputs that feed equally many experts each: [B, in], [B, T+1, in] or [B, K, in]."""
        if x.dim() == 2 or self.specific == self.shared:
            return x
        specific = x[:, : self.tasks].repeat_interleave(self.specific, dim=1)  # [B, T*specific, in]
        shared = x[:, self.tasks :].expand(-1, self.shared, -1)  # [B, shared, in]
        return torch.cat([specific, shared], dim=1)  # [B, K, in]

    def _weights(self, x: Tensor) -> Tensor:
        task_inputs = x if x.dim() == 2 else x[:, : self.tasks]
        specific, shared = self.task_gates(task_inputs).split([self.specific, self.shared], dim=2)
        weights = torch.cat([over_all_experts(specific), shared], dim=2)  # [B, T, K]
        if self.shared_gate is None:
            return weights
        shared_input = x if x.dim() == 2 else x[:, self.tasks :]
        return torch.cat([weights, self.shared_gate(shared_input)], dim=1)  # [B, T+1, K]


class PLE(nn.Module):
    """Levels of specific and shared experts, then towers: y_t = tower_t(level_C(...level_1(x))_t).

    ``specific_experts``: per task and level; ``shared_experts``: per level; ``expert``, ``tower``:
    hidden widths of one. Raises ParamsError if ``expert`` is empty.
    Tang et al., "Progressive Layered Extraction (PLE)", RecSys 2020, eqs. 4-6.
    """

    def __init__(
        self,
        inputs: Inputs,
        tasks: int,
        *,
        embedding_dim: Count = 4,
        levels: Count = 2,
        specific_experts: Count = 2,
        shared_experts: Count = 2,
        expert: Sequence[int] = (128, 64),
        tower: Sequence[int] = (32,),
        dropout: Share = 0.0,
        dense_encoding: DenseEncoding = "scaled",
        outputs: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.front = FeatureFront(inputs, embedding_dim, dense_encoding)
        extractions = (
            Extraction(
                tasks,
                expert[-1] if level else self.front.width,
                specific_experts=specific_experts,
                shared_experts=shared_experts,
                expert=expert,
                dropout=dropout,
                last=level == levels - 1,
            )
            for level in range(levels)
        )
        self.levels = nn.Sequential(*extractions)
        self.towers = Towers(tasks, expert[-1], tower, dropout, outputs)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """dense [B, D], sparse [B, F] -> logits [B, O]."""
        logits: Tensor = self.towers(self.levels(self.front(dense, sparse)))
        return logits
