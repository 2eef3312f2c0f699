"""Shared bottom: one network for all tasks, and one tower per task on top. Caruana, 1997."""

from collections.abc import Sequence

from torch import Tensor, nn

from emm.config.binding import Count, Share
from emm.nn.embedding import FeatureFront
from emm.nn.inputs import Inputs
from emm.nn.mlp import Towers, mlp
from emm.nn.numeric import DenseEncoding


class SharedBottom(nn.Module):
    """y_t = tower_t(bottom(x)). Caruana, "Multitask Learning", Machine Learning 28, 1997.

    ``bottom``, ``tower``: hidden widths.
    """

    def __init__(
        self,
        inputs: Inputs,
        tasks: int,
        *,
        embedding_dim: Count = 4,
        bottom: Sequence[int] = (128, 64),
        tower: Sequence[int] = (32,),
        dropout: Share = 0.0,
        dense_encoding: DenseEncoding = "scaled",
        outputs: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.front = FeatureFront(inputs, embedding_dim, dense_encoding)
        self.bottom = mlp(self.front.width, bottom, dropout)
        self.towers = Towers(tasks, [self.front.width, *bottom][-1], tower, dropout, outputs)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """dense [B, D], sparse [B, F] -> logits [B, O]."""
        logits: Tensor = self.towers(self.bottom(self.front(dense, sparse)))
        return logits
