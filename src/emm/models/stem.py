"""STEM: shared and task-specific embeddings. Su et al., AAAI 2024."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from emm.config.binding import Count, Share
from emm.nn.embedding import FeatureFront
from emm.nn.gates import Gates, mix
from emm.nn.inputs import Inputs
from emm.nn.mlp import Towers, grouped_mlp
from emm.nn.numeric import DenseEncoding


class STEM(nn.Module):
    """y_t = tower_t(sum_k g_t(x_t + x_S)_k h_k), h_k the experts of all T + 1 embedding tables.

    x_t is a row as embedded by task t's own table, x_S as embedded by the shared one; each table
    has its own experts. A task mixes the experts of all tables, but its gradient reaches only those
    of its own and of the shared table ("all forward, task-specific backward"). So no task changes
    another task's table. Gates are linear, without a bias.
    ``specific_experts``: per task; ``shared_experts``: of the shared table; ``expert``, ``tower``:
    hidden widths of one. Raises ParamsError if ``expert`` is empty.
    Su et al., "STEM: Unleashing the Power of Embeddings for Multi-Task Recommendation", AAAI 2024,
    with one layer of experts.
    """

    reached: Tensor

    def __init__(
        self,
        inputs: Inputs,
        tasks: int,
        *,
        embedding_dim: Count = 4,
        specific_experts: Count = 2,
        shared_experts: Count = 2,
        expert: Sequence[int] = (128, 64),
        tower: Sequence[int] = (32,),
        dropout: Share = 0.0,
        dense_encoding: DenseEncoding = "scaled",
        outputs: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.specific, self.shared = specific_experts, shared_experts
        fronts = (FeatureFront(inputs, embedding_dim, dense_encoding) for _ in range(tasks + 1))
        self.fronts = nn.ModuleList(fronts)
        width = int(self.fronts[0].width)  # type: ignore[arg-type]
        experts = tasks * specific_experts + shared_experts
        self.experts = grouped_mlp(experts, width, expert, dropout)
        self.gates = Gates(tasks, width, experts)
        self.towers = Towers(tasks, expert[-1], tower, dropout, outputs)
        own_experts = torch.eye(tasks).repeat_interleave(specific_experts, dim=1)  # [T, T*specific]
        reached = torch.cat([own_experts, torch.ones(tasks, shared_experts)], dim=1)  # [T, K]
        self.register_buffer("reached", reached, persistent=False)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """dense [B, D], sparse [B, F] -> logits [B, O]."""
        x = torch.stack([front(dense, sparse) for front in self.fronts], dim=1)  # [B, T+1, in]
        specific, shared = x[:, :-1], x[:, -1:]
        weights = self.gates(specific + shared)  # [B, T, K]
        logits: Tensor = self.towers(self._mixed(weights, self._outputs(specific, shared)))
        return logits

    def _outputs(self, specific: Tensor, shared: Tensor) -> Tensor:
        """All experts in task order, the shared ones last; [B, T, in], [B, 1, in] -> [B, K, H]."""
        inputs = [
            specific.repeat_interleave(self.specific, dim=1),  # [B, T*specific, in]
            shared.expand(-1, self.shared, -1),  # [B, shared, in]
        ]
        outputs: Tensor = self.experts(torch.cat(inputs, dim=1))
        return outputs

    def _mixed(self, weights: Tensor, outputs: Tensor) -> Tensor:
        """[B, T, K], [B, K, H] -> [B, T, H]; ``reached`` limits the gradient to ``outputs``."""
        fixed = outputs.detach()
        # The second term is zero, and so is its gradient to the weights.
        return mix(weights, fixed) + mix(weights * self.reached, outputs - fixed)
