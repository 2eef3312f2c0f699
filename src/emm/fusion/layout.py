"""The layout of a pool: the networks and trees of each task, and the widths of their levels."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from emm.nn.mlp import GroupedLinear

Numbers = tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """``networks``, ``trees``: the numbers of those of each task; ``widths``: the output widths of
    each network's components, by level.

    The members of a task always come in this order: its networks, then its trees.
    """

    networks: tuple[Numbers, ...]
    trees: tuple[Numbers, ...]
    widths: tuple[Numbers, ...]

    @property
    def counts(self) -> list[int]:
        """Number of members of each task."""
        return [len(a) + len(b) for a, b in zip(self.networks, self.trees, strict=True)]

    @property
    def level_widths(self) -> list[int]:
        """H of each level: the width of its widest component, to which others are adapted."""
        return [max(level) for level in zip(*self.widths, strict=True)]

    @property
    def task_of_tree(self) -> list[int]:
        """The task of each tree ensemble."""
        tasks = {n: task for task, numbers in enumerate(self.trees) for n in numbers}
        return [tasks[number] for number in sorted(tasks)]

    def by_task(self, networks: Sequence[Tensor], trees: Tensor) -> list[Tensor]:
        """Outputs of the members of each task: networks [B, H] each, trees [B, K, H] -> T tensors
        [B, M, H]."""
        return [
            torch.stack([*(networks[n] for n in of_task), *(trees[:, n] for n in grown)], dim=1)
            for of_task, grown in zip(self.networks, self.trees, strict=True)
        ]


class Lift(nn.Module):
    """Brings the outputs of a level's components to the level's width H.

    A linear adapter changes the width of a narrower network. The share of a tree ensemble in its
    logit becomes a vector by a linear map from one number to H.
    """

    def __init__(self, layout: Layout, level: int) -> None:
        super().__init__()
        self.layout = layout
        width = layout.level_widths[level]
        self.adapters = nn.ModuleList(adapter(widths[level], width) for widths in layout.widths)
        count = sum(map(len, layout.trees))
        self.trees = GroupedLinear(count, 1, width) if count else None

    def forward(self, outputs: Sequence[Tensor], shares: Tensor) -> list[Tensor]:
        """outputs: per network [B, its width]; shares [B, trees] -> per task [B, M, H]."""
        networks = [adapt(own) for adapt, own in zip(self.adapters, outputs, strict=True)]
        trees = shares if self.trees is None else self.trees(shares.unsqueeze(2))  # [B, trees, H]
        return self.layout.by_task(networks, trees)


def adapter(start: int, end: int, *, bias: bool = True) -> nn.Module:
    """A linear layer from one width to another, or the identity if they are equal."""
    return nn.Identity() if start == end else nn.Linear(start, end, bias=bias)
