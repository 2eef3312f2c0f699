"""Cross-stitch networks: one network per task, mixed after every layer. Misra et al., CVPR 2016."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from emm.config.binding import Count, Share
from emm.nn.embedding import FeatureFront
from emm.nn.inputs import Inputs
from emm.nn.mlp import Towers, grouped_mlp
from emm.nn.numeric import DenseEncoding

Units = Literal["layer", "hidden"]
"""What has a cross-stitch unit: every layer, or every hidden unit of every layer."""


class CrossStitch(nn.Module):
    """h'_t = sum_s alpha_ts * h_s for the outputs h_s of one layer of all T networks (eq. 1).

    alpha is [T, T, 1], or [T, T, H] with an alpha per hidden unit. A network starts with the share
    ``own`` of itself, and equal shares of the others.
    """

    def __init__(self, tasks: int, width: int, own: float) -> None:
        super().__init__()
        others = (1 - own) / max(tasks - 1, 1)
        start = torch.full((tasks, tasks), others).fill_diagonal_(own if tasks > 1 else 1.0)
        self.alpha = nn.Parameter(start.unsqueeze(2).repeat(1, 1, width))

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, H] -> [B, T, H]."""
        # A sum, since a matrix product of so few tasks costs more; compiled steps fuse it.
        return (self.alpha * x.unsqueeze(1)).sum(dim=2)


class CrossStitchNetwork(nn.Module):
    """h_t^l = layer_t^l(h'_t^{l-1}), h' = cross-stitch of h, y_t = tower_t(h'_t^L), h'^0 = x.

    ``bottom``: hidden widths of the network of one task, each followed by a cross-stitch unit;
    ``tower``: hidden widths after the last of them; ``units``: see `Units`; ``own``: the first
    weight of a task's own network, 0.9 as in the paper, next to 1 - ``own`` for all others
    together. The networks share the embeddings. Raises ParamsError if ``bottom`` is empty.
    Misra, Shrivastava, Gupta, Hebert, "Cross-stitch Networks for Multi-task Learning", CVPR 2016.
    """

    def __init__(
        self,
        inputs: Inputs,
        tasks: int,
        *,
        embedding_dim: Count = 4,
        bottom: Sequence[int] = (128, 64),
        tower: Sequence[int] = (32,),
        units: Units = "layer",
        own: Share = 0.9,
        dropout: Share = 0.0,
        dense_encoding: DenseEncoding = "scaled",
        outputs: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.front = FeatureFront(inputs, embedding_dim, dense_encoding)
        layers: list[nn.Module] = []
        for before, after in pairwise([self.front.width, *bottom]):
            layers.append(grouped_mlp(tasks, before, [after], dropout))
            layers.append(CrossStitch(tasks, after if units == "hidden" else 1, own))
        self.bottoms = nn.Sequential(*(layers or grouped_mlp(tasks, self.front.width, (), dropout)))
        self.towers = Towers(tasks, bottom[-1], tower, dropout, outputs)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """dense [B, D], sparse [B, F] -> logits [B, O]."""
        logits: Tensor = self.towers(self.bottoms(self.front(dense, sparse)))
        return logits
