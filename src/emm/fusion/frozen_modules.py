"""The trained models inside a fused one: frozen networks and trees."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from emm.trees.forest import TreeEnsemble


class Freezable(nn.ModuleList):
    """Modules that may be frozen: then neither weights nor statistics change."""

    frozen = False

    def freeze(self) -> "Freezable":
        """From now on, stay as they are, in eval mode."""
        self.frozen = True
        self.requires_grad_(requires_grad=False)
        self.train(mode=False)
        return self

    def thaw(self) -> None:
        """From now on, learn like any module."""
        self.frozen = False
        self.requires_grad_(requires_grad=True)

    def train(self, mode: bool = True) -> "Freezable":
        """Stay in eval mode while frozen: batch norm must keep the statistics it was trained
        with."""
        super().train(mode=mode and not self.frozen)
        return self


class Networks(nn.Module):
    """Components, network by network, frozen until they are thawed."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = Freezable(members).freeze()

    def forward(self, member: int, level: int, *inputs: Tensor) -> Tensor:
        """Output [B, H] of one network's component of one level (both from 0)."""
        levels: Any = self.members[member]
        output: Tensor = levels[level](*inputs)
        return output


class Trees(nn.Module):
    """Tree ensembles, each cut into levels by its boosting rounds; nothing of them learns."""

    def __init__(self, members: Sequence[TreeEnsemble], levels: int) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.levels = levels

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """Each level's share of the logits: dense [B, D], sparse [B, F] -> [B, trees, C]."""
        shares = [
            member.shares(dense, sparse, self.levels)
            for member in self.members
            if isinstance(member, TreeEnsemble)
        ]
        if not shares:
            return dense.new_zeros(len(dense), 0, self.levels)
        return torch.stack(shares, dim=1).to(dense.dtype)
