"""Multi-valued sparse fields: the mean of the embeddings of all of a row's ids."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn

_INITIAL_STD = 0.01  # as that of the single-valued fields: see emm.nn.embedding


@dataclass(frozen=True)
class BagStore:
    """The bags that rows point at, end to end: no bag is padded.

    For each of the K multi-valued fields ``values`` [V] int32, the ids of all bags, and ``starts``
    [O + 1] int64, where the bag of each of the O owners starts, and the last one ends.
    """

    values: tuple[Tensor, ...]
    starts: tuple[Tensor, ...]

    @classmethod
    def empty(cls, fields: int) -> "BagStore":
        """One owner, whose bags are empty."""
        return cls(
            (torch.zeros(0, dtype=torch.int32),) * fields,
            (torch.zeros(2, dtype=torch.int64),) * fields,
        )

    def to(self, device: torch.device) -> "BagStore":
        """The same bags on ``device``."""
        return BagStore(
            tuple(each.to(device) for each in self.values),
            tuple(each.to(device) for each in self.starts),
        )

    def gather(self, field: int, owners: Tensor) -> tuple[Tensor, Tensor]:
        """The bags of ``owners`` [B], end to end: ids [I], and where each bag starts [B]."""
        starts, owners = self.starts[field], owners.long()
        first = starts[owners]
        lengths = starts[owners + 1] - first
        ends = lengths.cumsum(0)
        offsets = ends - lengths
        # Place i of the batch's items is place first[b] + i - offsets[b] of the store.
        shifts = torch.repeat_interleave(first - offsets, lengths)
        places = shifts + torch.arange(len(shifts), device=shifts.device)
        return self.values[field][places], offsets

    def __deepcopy__(self, _: Any) -> "BagStore":
        return self  # data that a model reads, and no part of it


class BagEmbedding(nn.Module):
    """One table for all K fields, and per row and field the mean over its bag; 0 for an empty one.

    The model is given the `BagStore` by `attach_bags`: it isn't among its weights.
    ``width``: K*E. ``lazy``: see `emm.nn.embedding.EmbeddingTable`.
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
            raise RuntimeError("the model has no bags: attach_bags gives it them")
        vectors = []
        for field, offset in enumerate(self.offsets):
            ids, starts = self.store.gather(field, owners)
            own = ids.long() + offset
            mean = nn.functional.embedding_bag(own, self.weight, starts, sparse=self.lazy)
            vectors.append(mean)  # [B, E]
        return torch.cat(vectors, dim=1)


def attach_bags(model: nn.Module, store: BagStore | None) -> None:
    """Let every part of ``model`` that reads bags read them from ``store``, which it shares."""
    for module in model.modules():
        if isinstance(module, BagEmbedding):
            module.store = store
