"""The combination of a task's members: a sum of logits whose weights may depend on the row."""

import torch
from torch import Tensor, nn

from emm.nn.embedding import EmbeddingTable
from emm.nn.inputs import Inputs
from emm.nn.numeric import NumericEmbedding


class AdditiveFeatures(nn.Module):
    """A sum of one function per feature: dense [B, D], sparse [B, F] -> [B, W].

    That of a sparse field is a vector per id, that of a dense feature a vector per bin between its
    quantiles, and a line. It starts at zero. Multi-valued fields aren't read.
    """

    def __init__(self, inputs: Inputs, width: int) -> None:
        super().__init__()
        self.fields, self.width = len(inputs.cardinalities), width
        self.table = EmbeddingTable(inputs.cardinalities, width) if self.fields else None
        self.lines = nn.Linear(inputs.dense, width, bias=False) if inputs.dense else None
        binned = inputs.dense and any(inputs.edges)
        self.bins = NumericEmbedding(inputs.edges, width, piecewise=False) if binned else None
        for weight in self.parameters():
            nn.init.zeros_(weight)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        found = dense.new_zeros(dense.shape[0], self.width)
        if self.table is not None:
            found = found + self.table(sparse[:, : self.fields]).sum(1)
        if self.lines is not None:
            found = found + self.lines(dense)
        if self.bins is not None:
            found = found + self.bins(dense).view(dense.shape[0], -1, self.width).sum(1)
        return found


class Combination(nn.Module):
    """f(x) = sum_j (w_j + g_j(x)) z_j + b + g_0(x), for the logits z of M members.

    ``outputs``: C, number of logits of the task, which share w and g_j; b and g_0 have one value
    each. ``features``: whether there is a g, see `AdditiveFeatures`; without it, weights are the
    same for all rows. ``others``: how many of the members, the last ones, are of other tasks. It
    starts as the mean of the task's own.
    """

    def __init__(
        self, inputs: Inputs, members: int, outputs: int = 1, *, features: bool, others: int = 0
    ) -> None:
        super().__init__()
        self.members = members
        start = torch.full((members,), 1 / (members - others))
        start[members - others :] = 0
        self.weight = nn.Parameter(start)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.features = AdditiveFeatures(inputs, members + outputs) if features else None

    def forward(self, logits: Tensor, dense: Tensor, sparse: Tensor) -> Tensor:
        """logits [B, M, C], dense [B, D], sparse [B, F] -> [B, C]."""
        if self.features is None:
            return torch.einsum("bmc,m->bc", logits, self.weight) + self.bias
        weights, added = self._by_row(dense, sparse)
        return (weights.unsqueeze(2) * logits).sum(1) + added

    def weights(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """The weights of the members in each row: [B, M]."""
        if self.features is None:
            return self.weight.expand(dense.shape[0], -1)
        return self._by_row(dense, sparse)[0]

    def _by_row(self, dense: Tensor, sparse: Tensor) -> tuple[Tensor, Tensor]:
        assert self.features is not None
        found = self.features(dense, sparse)  # [B, M + C]
        return self.weight + found[:, : self.members], self.bias + found[:, self.members :]
