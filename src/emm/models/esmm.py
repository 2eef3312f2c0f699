"""ESMM: click and conversion over the entire space of impressions. Ma et al., SIGIR 2018."""

from collections.abc import Sequence

from torch import Tensor, nn

from emm.config.binding import Count, Share
from emm.nn.funnel import Groups, PooledFront, over_entire_space
from emm.nn.inputs import Inputs
from emm.nn.mlp import Towers
from emm.nn.numeric import DenseEncoding


class ESMM(nn.Module):
    """pCTR = sigmoid(tower_1(x)), pCVR = sigmoid(tower_2(x)), pCTCVR = pCTR * pCVR.

    The conversion's logit is that of pCTCVR, whose label is known for every impression: the losses
    are those of CTR and CTCVR over the entire space (eqs. 1 and 3), and pCVR has none of its own.
    Both towers share the embeddings. Each task outside the funnel has its own tower.
    ``tower``: hidden widths. ``groups``: sparse fields whose embeddings are summed, such as the
    user's and the item's (the field-wise pooling of Figure 2); by default all are concatenated.
    ``funnel``, the indices of the click task and the conversion task, and ``fields``, the names of
    the sparse fields, come from the data. Raises ParamsError for an unknown field.
    Ma et al., "Entire Space Multi-Task Model: An Effective Approach for Estimating Post-Click
    Conversion Rate", SIGIR 2018.
    """

    def __init__(
        self,
        inputs: Inputs,
        tasks: int,
        *,
        embedding_dim: Count = 4,
        tower: Sequence[int] = (128, 64, 32),
        dropout: Share = 0.0,
        funnel: Sequence[int],
        fields: Sequence[str] = (),
        groups: Groups | None = None,
        dense_encoding: DenseEncoding = "scaled",
    ) -> None:
        super().__init__()
        self.funnel = tuple(funnel)
        self.front = PooledFront(inputs, embedding_dim, dense_encoding, groups or {}, fields)
        self.towers = Towers(tasks, self.front.width, tower, dropout)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """dense [B, D], sparse [B, F] -> logits [B, T], the conversion's that of pCTCVR."""
        return over_entire_space(self.towers(self.front(dense, sparse)), self.funnel)
