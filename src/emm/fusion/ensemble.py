"""The plain average of a pool, which any fusion has to beat."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from emm.fusion.layout import Layout
from emm.fusion.members import Freezable
from emm.fusion.paper import Components


class Ensemble(nn.Module):
    """y_t = mean of the logits of t's trained models; nothing is learned.

    ``towers``: of the networks, as trained.
    """

    def __init__(self, layout: Layout, towers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.layout = layout
        self.towers = Freezable(towers).freeze()

    def forward(
        self,
        _x: Tensor,
        raw: tuple[Tensor, Tensor],
        components: Components,
        shares: Tensor,
        _offsets: Tensor,
    ) -> Tensor:
        """raw: dense [B, D], sparse [B, F]; shares [B, trees, C] of each logit -> logits [B, T]."""
        logits = []
        for number, tower in enumerate(self.towers):
            path: tuple[Tensor, ...] = raw
            for level in range(len(self.layout.level_widths)):
                path = (components(number, level, *path),)
            logits.append(tower(*path))
        trees = shares.sum(2).unsqueeze(2)  # [B, trees, 1]
        means = [members.mean(1) for members in self.layout.by_task(logits, trees)]  # each [B, 1]
        return torch.cat(means, dim=1)
