"""DCN V2: explicit crosses of the features next to an MLP. Wang et al., WWW 2021."""

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from emm.config.binding import Count, Share
from emm.nn.embedding import FeatureFront
from emm.nn.inputs import Inputs
from emm.nn.mlp import mlp
from emm.nn.numeric import DenseEncoding

Crosses = Annotated[int, Field(ge=0)]


class DCNV2(nn.Module):
    """A cross network and an MLP of the features x0, ``parallel``, where the last layer reads the
    outputs of both, or ``stacked``, where the MLP reads that of the crosses (figure 1).

    ``crosses``: number of cross layers; ``rank``: of their weights, null for full ones; ``layers``:
    widths of the MLP; ``hidden``: see `FeatureFront`.
    Wang, Shivanna, Cheng, Jain, Lin, Hong, Chi, "DCN V2: Improved Deep & Cross Network and
    Practical Lessons for Web-scale Learning to Rank Systems", WWW 2021.
    """

    def __init__(
        self,
        inputs: Inputs,
        tasks: int = 1,
        *,
        embedding_dim: Count = 4,
        crosses: Crosses = 3,
        rank: Count | None = None,
        layers: Sequence[int] = (128, 64),
        structure: Literal["parallel", "stacked"] = "parallel",
        dropout: Share = 0.0,
        dense_encoding: DenseEncoding = "scaled",
        hidden: Sequence[int] = (),
        outputs: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.front = FeatureFront(inputs, embedding_dim, dense_encoding, hidden)
        width = self.front.width
        self.crosses = nn.ModuleList(Cross(width, rank) for _ in range(crosses))
        self.deep = mlp(width, layers, dropout)
        self.parallel = structure == "parallel"
        last = [width, *layers][-1] + (width if self.parallel else 0)
        self.last = nn.Linear(last, sum(outputs) if outputs else tasks)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """dense [B, D], sparse [B, F] -> logits [B, O]."""
        x0 = self.front(dense, sparse)  # [B, width]
        x = x0
        for cross in self.crosses:
            x = cross(x0, x)
        x = torch.cat([x, self.deep(x0)], dim=1) if self.parallel else self.deep(x)
        logits: Tensor = self.last(x)
        return logits


class Cross(nn.Module):
    """x' = x0 * (W x + b) + x (eq. 1); with a ``rank``, W = U V^T (eq. 2)."""

    def __init__(self, width: int, rank: int | None) -> None:
        super().__init__()
        self.down = None if rank is None else nn.Linear(width, rank, bias=False)
        self.linear = nn.Linear(width if rank is None else rank, width)

    def forward(self, x0: Tensor, x: Tensor) -> Tensor:
        """x0, x [B, width] -> [B, width]."""
        y: Tensor = self.linear(x if self.down is None else self.down(x))
        return x0 * y + x
