"""The ensemble variant: the plain average of the pool, which every fusion has to beat."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from emm.fusion.frozen_modules import FreezableList
from emm.fusion.layout import Layout
from emm.fusion.paper import Components


class Ensemble(nn.Module):
    """y_t = mean of the logits of the trained models of task t; nothing is learned.

    ``towers``: the trained towers of the networks.
    """

    def __init__(self, layout: Layout, towers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.layout = layout
        self.towers = FreezableList(towers).freeze()

    def forward(
        self,
        _x: Tensor,
        starts: Sequence[tuple[Tensor, ...]],
        components: Components,
        shares: Tensor,
        offsets: Tensor,
    ) -> Tensor:
        """starts: what each network's first component reads; shares [B, S, C]: the trees' logits by
        level; offsets: added to the networks' logits, one network after another -> logits [B, O].
        """
        members = self.logits(starts, components, shares, offsets)
        return torch.cat([each.mean(1) for each in members], dim=1)

    def logits(
        self,
        starts: Sequence[tuple[Tensor, ...]],
        components: Components,
        shares: Tensor,
        offsets: Tensor,
    ) -> list[Tensor]:
        """The logits of each task's members, T tensors [B, M, C]; for the arguments see `forward`.

        C: number of logits of the task.
        """
        logits = []
        added = torch.split(offsets, self.layout.network_outputs, dim=1)
        for number, (tower, offset) in enumerate(zip(self.towers, added, strict=True)):
            path = starts[number]
            for level in range(len(self.layout.level_widths)):
                path = (components(number, level, *path),)
            logits.append(tower(*path) + offset)
        trees = torch.split(shares.sum(2), self.layout.tree_outputs, dim=1)
        return self.layout.by_task(logits, trees)
