"""The aligned variant: it starts as the ensemble of the trained models and learns corrections."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from emm.fusion.akf import AdaptiveKnowledgeFusion
from emm.fusion.frozen_modules import FreezableList
from emm.fusion.layout import Layout, Lift, adapter
from emm.fusion.paper import Components
from emm.fusion.settings import Projections
from emm.nn.mlp import GroupedLinear


@dataclass(frozen=True)
class Alignment:
    """Options of `AlignedFusion`.

    ``own_paths``: a component reads the output of its own model, not the mean of its task;
    ``zero_merge``: V starts at zero; ``uniform_gates``: all gates start uniform; ``merge``: tasks
    exchange information; ``constant_gates``: the weights of a task's models are the same for all
    rows; ``projections``: see `MultiTaskMerge`. Those with ReLU learn nothing from V = 0 on, and
    correct only upwards.
    """

    own_paths: bool = True
    zero_merge: bool = True
    uniform_gates: bool = True
    merge: bool = True
    constant_gates: bool = False
    projections: Projections = "linear"

    @property
    def reads_features(self) -> bool:
        """Whether any trainable module reads the embedded features."""
        return self.has_levels or not self.constant_gates

    @property
    def has_levels(self) -> bool:
        """Whether paths are changed between the first components and the towers."""
        return self.merge or not self.own_paths


class AlignedFusion(nn.Module):
    """Each trained model keeps its own path u_j through the levels.

    At level l, the path of network j of task t becomes C_j(u_j) + z_t, where z is the output of the
    level's AKF over all components. The path of a tree ensemble is its logit, which becomes u_j +
    the sum of its trees of this level + a linear function of z_t. The logit of a task is the gated
    mean of the logits of its paths; a network's path gets its logit from the network's tower.

    All gates read the embedded features. They start uniform, and the values V of each merge start
    at zero: before training, the logits are the mean logits of the trained models, and training
    learns corrections to them. (The paper's wiring feeds each component a mixture of models on
    which it was not trained.)

    ``in_width``: width of the embedded features; ``towers``: those of the networks, which learn.
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
        self.towers = FreezableList(towers)
        self.gates = nn.ModuleList(
            _gate(in_width, count, alignment.constant_gates) for count in layout.counts
        )
        if alignment.uniform_gates:
            self.gates.apply(_zero)

    def forward(
        self,
        x: Tensor,
        starts: Sequence[tuple[Tensor, ...]],
        components: Components,
        shares: Tensor,
        offsets: Tensor,
    ) -> Tensor:
        """Logits [B, O] from x [B, in], the embedded features; starts: what each network's first
        component reads; shares [B, S, C]: the trees' logits by level; offsets: added to the
        networks' logits, one network after another."""
        paths = [*starts]
        trees = shares.sum(2)  # [B, S]
        for level in range(len(self.layout.level_widths)):
            outputs = [components(number, level, *path) for number, path in enumerate(paths)]
            if len(self.levels):
                outputs, added = self.levels[level](x, outputs, shares[:, :, level])
                trees = trees + added
            paths = [(output,) for output in outputs]
        added_to = torch.split(offsets, self.layout.network_outputs, dim=1)
        logits = [
            tower(*path) + offset
            for tower, path, offset in zip(self.towers, paths, added_to, strict=True)
        ]
        of_trees = torch.split(trees, self.layout.tree_outputs, dim=1)
        members = self.layout.by_task(logits, of_trees)
        means = [
            _weighted_sum(gate(x).softmax(1), logits_of_task)
            for gate, logits_of_task in zip(self.gates, members, strict=True)
        ]
        return torch.cat(means, dim=1)


class _Level(nn.Module):
    """One level of `AlignedFusion`: the AKF, and what it adds to the paths."""

    def __init__(self, layout: Layout, level: int, in_width: int, alignment: Alignment) -> None:
        super().__init__()
        self.layout, self.own_paths = layout, alignment.own_paths
        width = layout.level_widths[level]
        self.lift = Lift(layout, level)
        self.fusion = AdaptiveKnowledgeFusion(
            layout.counts,
            in_width,
            width,
            merge=alignment.merge,
            projections=alignment.projections,
        )
        _align(self.fusion, alignment)
        # From the level's width back to the width of each network, and to the logits of the trees.
        # Without a bias, a correction of zero stays zero.
        self.returns = nn.ModuleList(
            adapter(width, widths[level], bias=not alignment.own_paths) for widths in layout.widths
        )
        self.task_of_share = layout.task_of_share
        shares = len(self.task_of_share) if alignment.merge else 0
        self.reading = GroupedLinear(shares, width, 1, bias=False) if shares else None

    def forward(
        self, x: Tensor, outputs: Sequence[Tensor], shares: Tensor
    ) -> tuple[list[Tensor], Tensor]:
        """x [B, in]; outputs: per network [B, its width]; shares [B, S] -> the networks' paths
        after this level, and what it adds to the trees' logits [B, S]."""
        gate_input = x.unsqueeze(1).expand(-1, len(self.layout.counts), -1)  # [B, T, in]
        fused = self.fusion.fuse_within(gate_input, self.lift(outputs, shares))  # [B, T, H]
        if self.fusion.merge is None:
            correction = torch.zeros_like(fused)
        else:
            correction = self.fusion.fuse_across(gate_input, fused)
        shared = correction if self.own_paths else fused + correction  # [B, T, H]
        paths = list(outputs)
        for task, networks in enumerate(self.layout.networks):
            for number in networks:
                returned = self.returns[number](shared[:, task])
                paths[number] = outputs[number] + returned if self.own_paths else returned
        if self.reading is None:
            return paths, torch.zeros_like(shares)
        return paths, self.reading(correction[:, self.task_of_share]).squeeze(2)


class _ConstantGate(nn.Module):
    """Scores of a task's models that are the same for all rows."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.randn(count))

    def forward(self, x: Tensor) -> Tensor:
        return self.scores.expand(x.shape[0], -1)


def _weighted_sum(weights: Tensor, members: Tensor) -> Tensor:
    """weights [B, M], members [B, M, C] -> [B, C]."""
    if members.shape[2] == 1:
        return (weights * members.squeeze(2)).sum(1, keepdim=True)
    return (weights.unsqueeze(2) * members).sum(1)


def _gate(in_width: int, count: int, constant: bool) -> nn.Module:
    return _ConstantGate(count) if constant else nn.Linear(in_width, count)


@torch.no_grad()
def _align(fusion: AdaptiveKnowledgeFusion, alignment: Alignment) -> None:
    if alignment.uniform_gates:
        fusion.gates.apply(_zero)
    if alignment.zero_merge and fusion.merge is not None:
        for parameter in fusion.merge.projections.parameters():  # [T, 3*H, ...]: Q, K, V
            parameter[:, 2 * parameter.shape[1] // 3 :] = 0


def _zero(module: nn.Module) -> None:
    for parameter in module.parameters(recurse=False):
        nn.init.zeros_(parameter)
