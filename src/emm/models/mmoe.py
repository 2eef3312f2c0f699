"""MMoE: multi-gate mixture of experts. Ma et al., KDD 2018."""

from collections.abc import Sequence

from torch import Tensor, nn

from emm.config.binding import Count, Share
from emm.nn.embedding import FeatureFront
from emm.nn.gates import Gates, mix
from emm.nn.inputs import Inputs
from emm.nn.mlp import Towers, grouped_mlp
from emm.nn.numeric import DenseEncoding


class MMoE(nn.Module):
    """y_t = tower_t(sum_i g_t(x)_i * f_i(x)), g_t(x) = softmax(W_t x).

    ``experts``: number of experts f_i, all shared; ``expert``: hidden widths of one; ``tower``:
    hidden widths of one tower. Raises ParamsError if ``expert`` is empty.
    Ma et al., "Modeling Task Relationships in Multi-task Learning with Multi-gate
    Mixture-of-Experts", KDD 2018, eqs. 6-7.
    """

    def __init__(
        self,
        inputs: Inputs,
        tasks: int,
        *,
        embedding_dim: Count = 4,
        experts: Count = 12,
        expert: Sequence[int] = (128, 64),
        tower: Sequence[int] = (32,),
        dropout: Share = 0.0,
        dense_encoding: DenseEncoding = "scaled",
        outputs: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.front = FeatureFront(inputs, embedding_dim, dense_encoding)
        self.experts = grouped_mlp(experts, self.front.width, expert, dropout)
        self.gates = Gates(tasks, self.front.width, experts)
        self.towers = Towers(tasks, expert[-1], tower, dropout, outputs)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """dense [B, D], sparse [B, F] -> logits [B, O]."""
        x = self.front(dense, sparse)  # [B, D + F*E]
        mixed = mix(self.gates(x), self.experts(x))  # [B, T, H]
        logits: Tensor = self.towers(mixed)
        return logits
