"""The trained models inside a fused model: frozen networks, in parts or whole, and trees."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from emm.trees.forest import TreeEnsemble


class FreezableList(nn.ModuleList):
    """A list of modules whose weights and batch-norm statistics don't change while it is frozen."""

    frozen = False

    def freeze(self) -> "FreezableList":
        """Stop learning, and stay in eval mode."""
        self.frozen = True
        self.requires_grad_(requires_grad=False)
        self.train(mode=False)
        return self

    def unfreeze(self) -> None:
        """Learn like any module."""
        self.frozen = False
        self.requires_grad_(requires_grad=True)

    def train(self, mode: bool = True) -> "FreezableList":
        """Stay in eval mode while frozen, so that batch norm keeps its trained statistics."""
        super().train(mode=mode and not self.frozen)
        return self


class Networks(nn.Module):
    """The components of all networks, frozen until they are unfrozen."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = FreezableList(members).freeze()

    def forward(self, member: int, level: int, *inputs: Tensor) -> Tensor:
        """Output [B, H] of one network's component of one level, both counted from 0."""
        levels: Any = self.members[member]
        output: Tensor = levels[level](*inputs)
        return output


class WholeNetworks(nn.Module):
    """Networks that aren't cut, of which each level has an equal share; they stay frozen."""

    def __init__(self, members: Sequence[nn.Module], levels: int) -> None:
        super().__init__()
        self.members = FreezableList(members).freeze()
        self.levels = levels

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """The share of each level in the logits: dense [B, D], sparse [B, F] -> [B, S, C]; see
        `Trees`."""
        logits = [member(dense, sparse) for member in self.members]
        every = torch.cat([dense.new_zeros(dense.shape[0], 0), *logits], dim=1)  # [B, S]
        return even_shares(every, self.levels)


def even_shares(logits: Tensor, levels: int) -> Tensor:
    """Logits in as many equal parts as there are levels: [B, S] -> [B, S, C]."""
    return (logits / levels).unsqueeze(2).expand(-1, -1, levels)


class Trees(nn.Module):
    """Tree ensembles, each divided into levels by boosting rounds; they have nothing to learn."""

    def __init__(self, members: Sequence[TreeEnsemble], levels: int) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.levels = levels

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """The share of each level in the logits: dense [B, D], sparse [B, F] -> [B, S, C].

        S: number of logits of all ensembles, one ensemble after another.
        """
        shares = [
            member.shares(dense, sparse, self.levels)
            for member in self.members
            if isinstance(member, TreeEnsemble)
        ]
        if not shares:
            return dense.new_zeros(dense.shape[0], 0, self.levels)
        return torch.unflatten(torch.cat(shares, dim=1), 1, (-1, self.levels)).to(dense.dtype)
