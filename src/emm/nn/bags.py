"""Multi-valued sparse fields: the mean of the embeddings of all ids in a row's bag."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn

_INITIAL_STD = 0.01  # as for single-valued fields: see emm.nn.embedding


@dataclass(frozen=True)
class BagStore:
    """The bags of all owners, such as users, end to end and without padding.

    Attributes:
        values: ids of all bags of each of the K multi-valued fields, [V] int32.
        starts: where the bag of each of the O owners starts, and the last one ends, per field,
            [O + 1] int64.
    """

    values: tuple[Tensor, ...]
    starts: tuple[Tensor, ...]

    @classmethod
    def empty(cls, fields: int) -> "BagStore":
        """A store of one owner with empty bags."""
        return cls(
            (torch.zeros(0, dtype=torch.int32),) * fields,
            (torch.zeros(2, dtype=torch.int64),) * fields,
        )

    def to(self, device: torch.device) -> "BagStore":
        """The same bags on ``device``."""
        return BagStore(
            tuple(values.to(device) for values in self.values),
            tuple(starts.to(device) for starts in self.starts),
        )

    def gather(self, field: int, owners: Tensor) -> tuple[Tensor, Tensor]:
        """The bags of ``owners`` [B] in one field, end to end: ids [I], start of each bag [B]."""
        starts, owners = self.starts[field], owners.long()
        first = starts[owners]
        lengths = starts[owners + 1] - first
        ends = lengths.cumsum(0)
        offsets = ends - lengths
        # Item i of the batch, in the bag of row b, is item first[b] + i - offsets[b] of the store.
        shifts = torch.repeat_interleave(first - offsets, lengths)
        positions = shifts + torch.arange(shifts.shape[0], device=shifts.device)
        return self.values[field][positions], offsets

    def __deepcopy__(self, _: Any) -> "BagStore":
        return self  # data that a model reads; a copy of the model shares it


class BagEmbedding(nn.Module):
    """Mean embedding of each row's bag in each of K fields, 0 for an empty bag; ``width`` is K*E.

    All fields share one table. The bags are not part of the weights: `attach_bags` supplies them.
    ``lazy``: see `emm.nn.embedding.EmbeddingTable`.
    """

    lazy = False

    def __init__(self, cardinalities: Sequence[int], width: int) -> None:
        super().__init__()
        *self.offsets, rows = accumulate(cardinalities, initial=0)
        self.width = len(self.offsets) * width
        self.weight = nn.Parameter(torch.empty(rows, width).normal_(std=_INITIAL_STD))
        self.store: BagStore | None = None

    def forward(self, owners: Tensor) -> Tensor:
        """owners [B], rows of bags.parquet -> [B, K*E]."""
        if self.store is None:
            raise RuntimeError("the model has no bags yet: call attach_bags first")
        vectors = []
        for field, offset in enumerate(self.offsets):
            ids, starts = self.store.gather(field, owners)
            rows = ids.long() + offset
            mean = nn.functional.embedding_bag(rows, self.weight, starts, sparse=self.lazy)
            vectors.append(mean)  # [B, E]
        return torch.cat(vectors, dim=1)


def attach_bags(model: nn.Module, store: BagStore | None) -> None:
    """Let every `BagEmbedding` in ``model`` read from ``store``."""
    for module in model.modules():
        if isinstance(module, BagEmbedding):
            module.store = store
