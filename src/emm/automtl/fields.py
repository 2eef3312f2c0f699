"""All features as vectors of one width, and the factorisation machine over them."""

import torch
from torch import Tensor, nn

from emm.data.tables.schema import Schema
from emm.nn.bags import BagEmbedding
from emm.nn.embedding import EmbeddingTable
from emm.nn.inputs import Inputs
from emm.nn.numeric import numeric_embedding


def count_fields(inputs: Inputs) -> int:
    """Number of fields: D dense features, K multi-valued and F sparse fields."""
    return inputs.dense + len(inputs.bags) + len(inputs.cardinalities)


def field_names(schema: Schema) -> list[str]:
    """Names of all fields, in the order of `FieldFront`."""
    return [*schema.dense_names, *(bag.name for bag in schema.bags), *schema.sparse_names]


class FieldFront(nn.Module):
    """All fields as vectors: first the dense features, then multi-valued and sparse fields.

    A dense feature x becomes x v with a learned vector v, as in factorisation machines; an encoding
    other than ``scaled`` adds its own vector (`emm.nn.numeric.DenseEncoding`). ``fields``: their
    number; ``width``: their total width.
    """

    def __init__(self, inputs: Inputs, embedding_dim: int, dense_encoding: str = "scaled") -> None:
        super().__init__()
        self.fields = count_fields(inputs)
        self.width = self.fields * embedding_dim
        self.table = EmbeddingTable(inputs.cardinalities, embedding_dim)
        self.numeric = numeric_embedding(inputs, dense_encoding, embedding_dim)
        self.bags = BagEmbedding(inputs.bags, embedding_dim) if inputs.bags else None
        start = torch.empty(inputs.dense, embedding_dim).normal_(std=embedding_dim**-0.5)
        self.dense = nn.Parameter(start)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """dense [B, D], sparse [B, F] or [B, F + 1] -> [B, fields, E]."""
        vectors = dense.unsqueeze(2) * self.dense  # [B, D, E]
        if self.numeric is not None:
            vectors = vectors + self.numeric(dense).view_as(vectors)
        parts = [vectors]
        if self.bags is not None:
            sparse, owners = sparse[:, :-1], sparse[:, -1]
            bags: Tensor = self.bags(owners)  # [B, K*E]
            parts.append(torch.unflatten(bags, 1, (-1, vectors.shape[2])))  # [B, K, E]
        return torch.cat([*parts, self.table(sparse)], dim=1)


def interaction(vectors: Tensor) -> Tensor:
    """Sum over pairs i < j of e_i * e_j, elementwise; vectors [..., fields, E] -> [..., E].

    Computed as half of the squared sum minus the sum of squares: Rendle, "Factorization Machines",
    ICDM 2010, lemma 3.1, before its sum over E.
    """
    return 0.5 * (vectors.sum(dim=-2).square() - vectors.square().sum(dim=-2))


def gated_interactions(vectors: Tensor, gates: Tensor) -> Tensor:
    """`interaction` of g_kf e_f for each of K experts; vectors [B, fields, E], gates [K, fields] ->
    [B, K, E]."""
    total = torch.einsum("kf,bfe->bke", gates, vectors)
    squares = torch.einsum("kf,bfe->bke", gates.square(), vectors.square())
    return 0.5 * (total.square() - squares)
