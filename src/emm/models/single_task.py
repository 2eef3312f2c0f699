"""The single-task network, which is trained first and decomposed later."""

from collections.abc import Sequence

from torch import Tensor, nn

from emm.config.binding import Count, Share
from emm.nn.embedding import FeatureFront
from emm.nn.inputs import Inputs
from emm.nn.mlp import mlp
from emm.nn.numeric import DenseEncoding


class SingleTask(nn.Module):
    """A strict chain: ``front``, each of ``blocks`` in turn, ``tower``, to the tasks' logits.

    ``tasks`` is 1 for models that are decomposed. ``blocks``: hidden widths of each block;
    ``tower``: hidden widths before the last layer. ``hidden``: the features that aren't read, see
    `FeatureFront`.
    """

    def __init__(
        self,
        inputs: Inputs,
        tasks: int = 1,
        *,
        embedding_dim: Count = 4,
        blocks: Sequence[Sequence[int]] = ((128, 64), (128, 64), (128, 64)),
        tower: Sequence[int] = (32,),
        dropout: Share = 0.0,
        dense_encoding: DenseEncoding = "scaled",
        outputs: Sequence[int] = (),
        hidden: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.front = FeatureFront(inputs, embedding_dim, dense_encoding, hidden)
        ends = [self.front.width, *(block[-1] for block in blocks)]
        chain = (mlp(start, block, dropout) for start, block in zip(ends, blocks, strict=False))
        self.blocks = nn.Sequential(*chain)
        last = [ends[-1], *tower][-1]
        logits = sum(outputs) if outputs else tasks
        self.tower = nn.Sequential(*mlp(ends[-1], tower, dropout), nn.Linear(last, logits))

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """dense [B, D], sparse [B, F] -> logits [B, O]."""
        logits: Tensor = self.tower(self.blocks(self.front(dense, sparse)))
        return logits
