"""Embeddings of the sparse fields, and the feature vector that every model starts with."""

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn

from emm.nn.bags import BagEmbedding
from emm.nn.inputs import Inputs
from emm.nn.kernels import take_rows
from emm.nn.numeric import numeric_embedding

# Small, as is usual in click models: an id that is rare in train stays close to zero, the neutral
# value, instead of keeping a large random vector. Large enough to tell ids apart.
_INITIAL_STD = 0.01


class EmbeddingTable(nn.Module):
    """One table for all F fields: the rows of field f start at its offset.

    ``cardinalities``: number of ids of each field. ``width``: E.
    ``lazy``: the gradient is sparse and covers the rows of the batch only.
    Ids are not checked, which would cost a device synchronisation per batch: an id beyond its
    field's cardinality reads a row of the next field, and in the last field raises IndexError on
    the CPU.
    """

    offsets: Tensor
    lazy = False

    def __init__(self, cardinalities: Sequence[int], width: int) -> None:
        super().__init__()
        starts = list(accumulate(cardinalities, initial=0))
        self.width = len(cardinalities) * width
        self.register_buffer("offsets", torch.tensor(starts[:-1], dtype=torch.int32), False)
        self.weight = nn.Parameter(torch.empty(starts[-1], width).normal_(std=_INITIAL_STD))

    def forward(self, sparse: Tensor) -> Tensor:
        """Look up ids; sparse [B, F] int32 or int64 -> [B, F, E]."""
        ids = sparse + self.offsets
        if ids.is_cuda or self.lazy:
            return nn.functional.embedding(ids, self.weight, sparse=self.lazy)
        # Equal to the last bit, but the gradient sorts the ids: an eighth of the time on a CPU.
        rows = take_rows(self.weight, ids.flatten().long())  # [B*F, E]
        return rows.view(*ids.shape, self.weight.shape[1])  # [B, F, E]


class Shown(nn.Module):
    """1 for every feature that is read, 0 for those that aren't: ``dense`` [D], ``fields`` [F], and
    ``bags`` [K*E]. ``hidden``: see `FeatureFront`."""

    dense: Tensor
    fields: Tensor
    bags: Tensor

    def __init__(self, inputs: Inputs, embedding_dim: int, hidden: Sequence[int]) -> None:
        super().__init__()
        counts = [inputs.dense, len(inputs.cardinalities), len(inputs.bags)]
        shown = torch.ones(sum(counts), dtype=torch.int32)
        shown[list(hidden)] = 0
        dense, fields, bags = torch.split(shown, counts)
        self.register_buffer("dense", dense.float(), False)
        self.register_buffer("fields", fields.clone(), False)
        self.register_buffer("bags", bags.float().repeat_interleave(embedding_dim), False)


class FeatureFront(nn.Module):
    """The feature vector of a row: dense features, then embedded fields.

    ``width`` is D + F*E, plus D*E if dense features are embedded as well, plus K*E for K
    multi-valued fields; ``widths``: of what encodes each feature, in order. ``dense_encoding``: see
    `emm.nn.numeric.DenseEncoding`. ``hidden``: positions of the features that aren't read, among D
    dense ones, F fields and K multi-valued fields; they are constants: 0, unknown, and empty.
    """

    def __init__(
        self,
        inputs: Inputs,
        embedding_dim: int,
        dense_encoding: str = "scaled",
        hidden: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.table = EmbeddingTable(inputs.cardinalities, embedding_dim)
        self.numeric = numeric_embedding(inputs, dense_encoding, embedding_dim)
        self.bags = BagEmbedding(inputs.bags, embedding_dim) if inputs.bags else None
        vectors = len(inputs.bags) + len(inputs.cardinalities)
        vectors += 0 if self.numeric is None else inputs.dense
        self.widths = (1,) * inputs.dense + (embedding_dim,) * vectors
        self.width = sum(self.widths)
        self.shown = Shown(inputs, embedding_dim, hidden) if hidden else None

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """dense [B, D], sparse [B, F], or [B, F + 1] with bags -> [B, width]."""
        bags: list[Tensor] = []
        if self.bags is not None:
            sparse, owners = sparse[:, :-1], sparse[:, -1]
            read = self.bags(owners)  # [B, K*E]
            bags.append(read if self.shown is None else read * self.shown.bags)
        if self.shown is not None:
            dense, sparse = dense * self.shown.dense, sparse * self.shown.fields
        numeric = [] if self.numeric is None else [self.numeric(dense)]  # [B, D*E]
        embedded: Tensor = self.table(sparse)  # [B, F, E]
        return torch.cat([dense, *numeric, *bags, embedded.flatten(1)], dim=1)
