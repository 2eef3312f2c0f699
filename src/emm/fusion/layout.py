"""Who is in a pool, as numbers: each task's networks and trees, and the widths of their levels."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from emm.nn.mlp import GroupedLinear

Numbers = tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """``networks``, ``trees``: numbers of each task's; ``widths``: of each network's levels.

    A task's members stand in this order everywhere: its networks, then its trees.
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
        """H of each level: that of its widest component; narrower ones are adapted to it."""
        return [max(level) for level in zip(*self.widths, strict=True)]

    @property
    def task_of_tree(self) -> list[int]:
        """The task of each tree ensemble."""
        tasks = {n: task for task, numbers in enumerate(self.trees) for n in numbers}
        return [tasks[number] for number in sorted(tasks)]

    def by_task(self, networks: Sequence[Tensor], trees: Tensor) -> list[Tensor]:
        """What each member gives, networks' [B, H] each and trees' [B, K, H] -> T of [B, M, H]."""
        return [
            torch.stack([*(networks[n] for n in own), *(trees[:, n] for n in grown)], dim=1)
            for own, grown in zip(self.networks, self.trees, strict=True)
        ]


class Lift(nn.Module):
    """Outputs of one level's components, brought to the level's width H.

    A network's of another width goes through a linear adapter. A tree ensemble's share of the
    logit is lifted by a line of its own.
    """

    def __init__(self, layout: Layout, level: int) -> None:
        super().__init__()
        self.layout = layout
        width = layout.level_widths[level]
        self.adapters = nn.ModuleList(adapter(own[level], width) for own in layout.widths)
        count = sum(map(len, layout.trees))
        self.trees = GroupedLinear(count, 1, width) if count else None

    def forward(self, found: Sequence[Tensor], shares: Tensor) -> list[Tensor]:
        """found: per network [B, its width]; shares [B, trees] -> per task [B, M, H]."""
        networks = [adapt(own) for adapt, own in zip(self.adapters, found, strict=True)]
        trees = shares if self.trees is None else self.trees(shares.unsqueeze(2))  # [B, trees, H]
        return self.layout.by_task(networks, trees)


def adapter(start: int, end: int, *, bias: bool = True) -> nn.Module:
    """From one width to another: nothing where they are equal."""
    return nn.Identity() if start == end else nn.Linear(start, end, bias=bias)
