"""The fusion that starts as the ensemble of its trained models and learns corrections to it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from emm.fusion.akf import AdaptiveKnowledgeFusion
from emm.fusion.layout import Layout, Lift, adapter
from emm.fusion.members import Freezable
from emm.fusion.paper import Components
from emm.nn.mlp import GroupedLinear


@dataclass(frozen=True)
class Alignment:
    """What keeps the trained models' knowledge, and what learns beside it.

    ``own_paths``: each component reads its own model's output so far, not its task's mean;
    ``zero_merge``: V starts at zero; ``uniform_gates``: all gates start uniform; ``merge``: tasks
    exchange anything at all; ``constant_gates``: the last gates weigh a task's models alike for
    every row.
    """

    own_paths: bool = True
    zero_merge: bool = True
    uniform_gates: bool = True
    merge: bool = True
    constant_gates: bool = False

    @property
    def reads_features(self) -> bool:
        """Whether anything that learns reads the embedded features."""
        return self.has_levels or not self.constant_gates

    @property
    def has_levels(self) -> bool:
        """Whether anything happens between the first components and the towers."""
        return self.merge or not self.own_paths


class AlignedFusion(nn.Module):
    """Each trained model keeps a path of its own through the levels.

    At level l, network j of task t turns its path u_j into C_j(u_j) + z_t, where z is the level's
    AKF over all components' outputs. A tree ensemble's path is its logit: u_j + its trees of this
    level + a linear reading of z_t. The logit of a task is a gated mean of its paths' (a network's
    through its tower). The values V of each merge start at zero and the gates uniform: at first the
    model is the mean of its trained models' logits, and what it learns are corrections. (The
    paper's own wiring feeds each component a mixture of models that it was never trained on.) All
    gates read the embedded features.

    ``in_width``: width of the embedded features; ``towers``: the networks' towers, trained on.
    """

    def __init__(
        self,
        layout: Layout,
        in_width: int,
        towers: Sequence[nn.Module],
        alignment: Alignment,
    ) -> None:
        super().__init__()
        self.layout = layout
        levels = [
            _Level(layout, level, in_width, alignment)
            for level in range(len(layout.level_widths))
            if alignment.has_levels
        ]
        self.levels = nn.ModuleList(levels)
        self.towers = Freezable(towers)
        self.gates = nn.ModuleList(
            _gate(in_width, count, alignment.constant_gates) for count in layout.counts
        )
        if alignment.uniform_gates:
            self.gates.apply(_zero)

    def forward(
        self,
        x: Tensor,
        raw: tuple[Tensor, Tensor],
        components: Components,
        shares: Tensor,
        offsets: Tensor,
    ) -> Tensor:
        """x [B, in]: embedded features; raw: dense [B, D], sparse [B, F]; shares [B, trees, C] of
        the trees' logits; offsets [B, networks] of the networks' -> logits [B, T]."""
        paths: list[tuple[Tensor, ...]] = [raw] * len(self.towers)
        trees = shares.sum(2)  # [B, trees]
        for level in range(len(self.layout.level_widths)):
            found = [components(number, level, *path) for number, path in enumerate(paths)]
            if len(self.levels):
                found, added = self.levels[level](x, found, shares[:, :, level])
                trees = trees + added
            paths = [(own,) for own in found]
        logits = [
            tower(*path) + offset.unsqueeze(1)
            for tower, path, offset in zip(self.towers, paths, offsets.unbind(1), strict=True)
        ]
        members = self.layout.by_task(logits, trees.unsqueeze(2))  # T times [B, M, 1]
        means = [
            (gate(x).softmax(1) * own.squeeze(2)).sum(1)  # [B]
            for gate, own in zip(self.gates, members, strict=True)
        ]
        return torch.stack(means, dim=1)


class _Level(nn.Module):
    """What one level's AKF makes of the paths of networks and trees."""

    def __init__(self, layout: Layout, level: int, in_width: int, alignment: Alignment) -> None:
        super().__init__()
        self.layout, self.own_paths = layout, alignment.own_paths
        width = layout.level_widths[level]
        self.lift = Lift(layout, level)
        self.fusion = AdaptiveKnowledgeFusion(layout.counts, in_width, width, merge=alignment.merge)
        _start(self.fusion, alignment)
        # From the level's width back to each network's own, and to the trees' logits. A correction
        # of zero must stay zero.
        self.returns = nn.ModuleList(
            adapter(width, own[level], bias=not alignment.own_paths) for own in layout.widths
        )
        self.task_of_tree = layout.task_of_tree
        trees = len(self.task_of_tree) if alignment.merge else 0
        self.reading = GroupedLinear(trees, width, 1, bias=False) if trees else None

    def forward(
        self, x: Tensor, found: Sequence[Tensor], shares: Tensor
    ) -> tuple[list[Tensor], Tensor]:
        """x [B, in]; found: per network [B, its width]; shares [B, trees] -> the networks' paths
        after this level, and what it adds to the trees' logits [B, trees]."""
        read = x.unsqueeze(1).expand(-1, len(self.layout.counts), -1)  # [B, T, in]
        fused = self.fusion.fuse_within(read, self.lift(found, shares))  # [B, T, H]
        merge = self.fusion.merge is not None
        correction = self.fusion.fuse_across(read, fused) if merge else torch.zeros_like(fused)
        shared = correction if self.own_paths else fused + correction  # [B, T, H]
        paths = list(found)
        for task, numbers in enumerate(self.layout.networks):
            for number in numbers:
                joined = self.returns[number](shared[:, task])
                paths[number] = found[number] + joined if self.own_paths else joined
        if self.reading is None:
            return paths, torch.zeros_like(shares)
        own = correction[:, self.task_of_tree]  # [B, trees, H]
        return paths, self.reading(own).squeeze(2)


class _ConstantGate(nn.Module):
    """Scores of a task's models that are the same for every row."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.randn(count))

    def forward(self, x: Tensor) -> Tensor:
        return self.scores.expand(len(x), -1)


def _gate(in_width: int, count: int, constant: bool) -> nn.Module:
    return _ConstantGate(count) if constant else nn.Linear(in_width, count)


@torch.no_grad()
def _start(fusion: AdaptiveKnowledgeFusion, alignment: Alignment) -> None:
    if alignment.uniform_gates:
        fusion.gates.apply(_zero)
    if alignment.zero_merge and fusion.merge is not None:
        for parameter in fusion.merge.projections.parameters():  # [T, 3*H, ...]: Q, K, V
            parameter[:, 2 * parameter.shape[1] // 3 :] = 0


def _zero(module: nn.Module) -> None:
    for parameter in module.parameters(recurse=False):
        nn.init.zeros_(parameter)
