"""The layout of a pool: the members of each task, and the widths of the networks' levels."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from emm.nn.mlp import GroupedLinear

Numbers = tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """``networks``, ``trees``: the numbers of those of each task; ``widths``: the output widths of
    each network's components, by level; ``outputs``: the number of logits of each task, () if all
    have one.

    ``trees`` stands for all members that enter by the shares of the levels in their logits: tree
    ensembles and, numbered after them, whole networks and opaque members. The members of a task
    always come in this order: its networks, its trees, its whole networks, its opaque members.

    ``opaque``: number of opaque members; ``entries``: for each network, the width of the scored
    input that it starts from, 0 if it reads the features; () if all do.
    """

    networks: tuple[Numbers, ...]
    trees: tuple[Numbers, ...]
    widths: tuple[Numbers, ...]
    outputs: Numbers = ()
    opaque: int = 0
    entries: Numbers = ()

    @property
    def counts(self) -> list[int]:
        """Number of members of each task."""
        return [len(a) + len(b) for a, b in zip(self.networks, self.trees, strict=True)]

    @property
    def level_widths(self) -> list[int]:
        """H of each level: the width of its widest component, to which others are adapted."""
        return [max(level) for level in zip(*self.widths, strict=True)]

    @property
    def levels(self) -> int:
        """Number of levels; 1 without a network that is cut."""
        return len(self.level_widths) or 1

    @property
    def task_of_network(self) -> list[int]:
        """The task of each network."""
        return _tasks(self.networks)

    @property
    def network_outputs(self) -> list[int]:
        """Number of logits of each network."""
        return [self._outputs_of(task) for task in self.task_of_network]

    @property
    def tree_outputs(self) -> list[int]:
        """Number of logits of each tree ensemble."""
        return [self._outputs_of(task) for task in _tasks(self.trees)]

    @property
    def scored(self) -> list[int]:
        """Widths of what no module of a fused model can compute: the logits of each opaque member,
        then the input of each network that has a scored one."""
        of_trees = self.tree_outputs
        opaque = of_trees[len(of_trees) - self.opaque :]
        return [*opaque, *(width for width in self.entries if width)]

    @property
    def task_of_share(self) -> list[int]:
        """The task of each logit of the tree ensembles, one ensemble after another."""
        return [task for task in _tasks(self.trees) for _ in range(self._outputs_of(task))]

    def by_task(self, networks: Sequence[Tensor], trees: Sequence[Tensor]) -> list[Tensor]:
        """Outputs of the members of each task: networks and trees [B, H] each -> T tensors
        [B, M, H]; H may differ between tasks."""
        return [
            torch.stack([*(networks[n] for n in of_task), *(trees[n] for n in grown)], dim=1)
            for of_task, grown in zip(self.networks, self.trees, strict=True)
        ]

    def _outputs_of(self, task: int) -> int:
        return self.outputs[task] if self.outputs else 1


def _tasks(members: Sequence[Numbers]) -> list[int]:
    """The task of each member, from the members of each task."""
    tasks = {number: task for task, numbers in enumerate(members) for number in numbers}
    return [tasks[number] for number in sorted(tasks)]


class Lift(nn.Module):
    """Brings the outputs of a level's components to the level's width H.

    A linear adapter changes the width of a narrower network. The shares of a tree ensemble in its
    logits become a vector by a linear map from as many numbers to H.
    """

    def __init__(self, layout: Layout, level: int) -> None:
        super().__init__()
        self.layout = layout
        width = layout.level_widths[level]
        self.adapters = nn.ModuleList(adapter(widths[level], width) for widths in layout.widths)
        counts = layout.tree_outputs
        self.trees: nn.Module | None
        if not layout.outputs:
            self.trees = GroupedLinear(len(counts), 1, width) if counts else None
        else:
            self.trees = nn.ModuleList(nn.Linear(count, width) for count in counts)

    def forward(self, outputs: Sequence[Tensor], shares: Tensor) -> list[Tensor]:
        """outputs: per network [B, its width]; shares [B, S] -> per task [B, M, H]."""
        networks = [adapt(own) for adapt, own in zip(self.adapters, outputs, strict=True)]
        trees: list[Tensor] = []
        if isinstance(self.trees, nn.ModuleList):
            parts = torch.split(shares, self.layout.tree_outputs, dim=1)
            trees = [line(own) for line, own in zip(self.trees, parts, strict=True)]
        elif self.trees is not None:
            lifted: Tensor = self.trees(shares.unsqueeze(2))  # [B, trees, H]
            trees = [lifted[:, number] for number in range(lifted.shape[1])]
        return self.layout.by_task(networks, trees)


def adapter(start: int, end: int, *, bias: bool = True) -> nn.Module:
    """A linear layer from one width to another, or the identity if they are equal."""
    return nn.Identity() if start == end else nn.Linear(start, end, bias=bias)
