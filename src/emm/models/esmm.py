"""ESMM: click and conversion over the entire space of impressions. Ma et al., SIGIR 2018."""

from collections.abc import Sequence

from emm.config.binding import Count, Share
from emm.nn.funnel import EntireSpace, Groups, PooledFront
from emm.nn.inputs import Inputs
from emm.nn.mlp import Towers
from emm.nn.numeric import DenseEncoding


class ESMM(EntireSpace):
    """pCTR = sigmoid(tower_1(x)), pCVR = sigmoid(tower_2(x)), pCTCVR = pCTR * pCVR.

    The conversion's logit is that of pCTCVR, whose label is known for every impression: the losses
    are those of CTR and CTCVR over the entire space (eqs. 1 and 3), and pCVR has none of its own.
    Both towers share the embeddings. Each task outside the funnel has its own tower. For missing
    labels see `EntireSpace`.
    ``tower``: hidden widths. ``groups``: sparse fields whose embeddings are summed, such as the
    user's and the item's (the field-wise pooling of Figure 2); by default all are concatenated.
    ``funnel``, the indices of the click task and the conversion task, ``given_click`` (see
    `EntireSpace`) and ``fields``, the names of the sparse fields, come from the data. Raises
    ParamsError for an unknown field.
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
        given_click: bool = False,
        fields: Sequence[str] = (),
        groups: Groups | None = None,
        dense_encoding: DenseEncoding = "scaled",
        outputs: Sequence[int] = (),
    ) -> None:
        front = PooledFront(inputs, embedding_dim, dense_encoding, groups or {}, fields)
        towers = Towers(tasks, front.width, tower, dropout, outputs)
        super().__init__(front, towers, funnel, outputs, given_click)
