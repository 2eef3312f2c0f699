"""Adaptive Knowledge Fusion (AKF): fuses the components of a level within and across tasks."""

from collections.abc import Sequence
from math import sqrt

import torch
from torch import Tensor, nn

from emm.fusion.settings import Projections
from emm.nn.mlp import GroupedLinear


class AdaptiveKnowledgeFusion(nn.Module):
    """The fusion of one level, eqs. 2-6 of arXiv 2504.09812.

    ``members``: number of trained models m_t of each of the T tasks; ``in_width``: width of the
    input of the gates; ``width``: H, the width of the components' outputs. Without ``merge``, tasks
    exchange nothing, and z_t = h^t; ``projections``: see `MultiTaskMerge`.
    """

    own: Tensor

    def __init__(
        self,
        members: Sequence[int],
        in_width: int,
        width: int,
        *,
        merge: bool = True,
        projections: Projections = "linear",
    ) -> None:
        super().__init__()
        tasks = len(members)
        self.gates = nn.ModuleList(nn.Linear(in_width, count) for count in members)
        self.selection = GroupedLinear(tasks, in_width, tasks) if merge else None
        self.merge = MultiTaskMerge(tasks, width, projections) if merge else None
        self.register_buffer("own", torch.eye(tasks, dtype=torch.bool), persistent=False)

    def forward(self, x: Tensor, outputs: Sequence[Tensor]) -> Tensor:
        """x [B, T, in]: input of each task's gates; outputs: per task [B, M, H] -> z [B, T, H]."""
        return self.fuse_across(x, self.fuse_within(x, outputs))

    def fuse_within(self, x: Tensor, outputs: Sequence[Tensor]) -> Tensor:
        """h^t = sum_j G_t(x_t)_j h_j^t, G_t a softmax gate (eq. 2) -> [B, T, H]."""
        fused = []
        for gate, own, components in zip(self.gates, x.unbind(1), outputs, strict=True):
            weights = gate(own).softmax(dim=1)  # [B, M]
            fused.append(torch.bmm(weights.unsqueeze(1), components).squeeze(1))  # [B, H]
        return torch.stack(fused, dim=1)

    def fuse_across(self, x: Tensor, fused: Tensor) -> Tensor:
        """Merge each task's h^t with that of the task it selects (eqs. 3-6); [B, T, H]."""
        if self.selection is None or self.merge is None:
            return fused
        scores: Tensor = self.selection(x)  # [B, T, T]
        partner = torch.bmm(self.select(scores), fused)  # [B, T, T] @ [B, T, H] -> [B, T, H]
        merged: Tensor = self.merge(torch.stack([fused, partner], dim=2))  # [B, T, 2, H]
        return merged

    def select(self, scores: Tensor) -> Tensor:
        """Select the partner r(t) of each task (eq. 3): scores [B, T, T] -> one-hot [B, T, T].

        r(t) is the other task with the highest F_t(x_t). In training it is sampled with the
        probabilities F_t, and its gradient is that of the softmax (straight-through Gumbel-softmax,
        Jang et al., ICLR 2017): without the gradient F could not learn, and without sampling it
        would rarely try a second partner.
        """
        scores = scores.masked_fill(self.own, -torch.inf)
        if self.training:
            scores = scores - torch.empty_like(scores).exponential_().log()
        soft = scores.softmax(dim=2)
        hard = torch.zeros_like(soft).scatter_(2, soft.argmax(dim=2, keepdim=True), 1.0)
        return hard + soft - soft.detach()


class MultiTaskMerge(nn.Module):
    """Attention over two tokens per task, its own h^t and its partner's (eqs. 4-6).

    The score of a token is the product of its query and its key: c = softmax over both tokens of
    <Q(w), K(w)> / sqrt(H), and z_t = sum_w c_w V(w). Q, K and V are different for each task.

    ``projections``: ``activated``, a fully connected layer with an activation, as in the paper. It
    names none; ReLU is that of all other layers of its networks, so z_t keeps the range that
    the next components were trained on. ``linear``: the layer without it; ``linear-no-bias``: as in
    the published code.
    """

    def __init__(self, tasks: int, width: int, projections: Projections = "linear") -> None:
        super().__init__()
        bias = projections != "linear-no-bias"
        self.activated = projections == "activated"
        self.projections = GroupedLinear(tasks, width, 3 * width, bias=bias)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens [B, T, 2, H] -> z [B, T, H]."""
        rows, tasks, count, width = tokens.shape
        flat = tokens.transpose(1, 2).reshape(rows * count, tasks, width)  # [B*2, T, H]
        projected = self.projections(flat).view(rows, count, tasks, 3, width)  # [B, 2, T, 3, H]
        projected = projected.relu() if self.activated else projected
        query, key, value = projected.unbind(3)  # each [B, 2, T, H]
        scores = (query * key).sum(3) / sqrt(width)  # [B, 2, T]
        merged: Tensor = (scores.softmax(dim=1).unsqueeze(3) * value).sum(1)  # [B, T, H]
        return merged
