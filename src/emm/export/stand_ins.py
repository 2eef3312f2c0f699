"""Modules that stand for others while a network is traced: these can't be exported themselves."""

import torch
from torch import Tensor, nn

from emm.fusion.emm import EMM
from emm.fusion.stacking.module import StackedFusion
from emm.nn.bags import BagEmbedding
from emm.trees.forest import TreeEnsemble


class _Shared:
    """A list that isn't a part of a module's state."""

    def __init__(self, tensors: list[Tensor]) -> None:
        self.tensors = tensors


class _PaddedBags(nn.Module):
    """A `BagEmbedding` that reads padded ids [B, items] of each field in place of owners.

    ``items``: a list of them, which is filled before every call.
    """

    def __init__(self, embedding: BagEmbedding, items: list[Tensor]) -> None:
        super().__init__()
        self.offsets, self.width, self.weight = embedding.offsets, embedding.width, embedding.weight
        self.items = _Shared(items)

    def forward(self, _owners: Tensor) -> Tensor:
        means = []
        for ids, offset in zip(self.items.tensors, self.offsets, strict=True):
            vectors = nn.functional.embedding(ids + offset, self.weight)  # [B, items, E]
            known = (ids > 0).to(vectors.dtype).unsqueeze(2)  # [B, items, 1]
            means.append((vectors * known).sum(dim=1) / known.sum(dim=1).clamp(min=1))
        return torch.cat(means, dim=1)


def put_padded_bags(model: nn.Module, items: list[Tensor]) -> None:
    """Let the multi-valued fields of ``model`` read a list of padded ids."""
    for name, module in [*model.named_modules()]:
        if isinstance(module, BagEmbedding):
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, _PaddedBags(module, items))


class _Reader(TreeEnsemble):
    """Trees that add nothing, and keep what they read in a list."""

    def __init__(self, trees: TreeEnsemble, reads: list[Tensor]) -> None:
        nn.Module.__init__(self)
        self.outputs, self.reads = trees.outputs, _Shared(reads)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        self.reads.tensors.append(dense)
        return dense.new_zeros(dense.shape[0], self.outputs)


def put_readers(model: nn.Module, reads: list[Tensor]) -> list[int]:
    """Put readers in place of the trees that correct a stacked model; the tasks that have some."""
    found = corrections_of(model)
    if isinstance(model, EMM) and isinstance(model.fusion, StackedFusion):
        for task, trees in found.items():
            model.fusion.residuals[task] = _Reader(trees, reads)
    return [*found]


def corrections_of(model: nn.Module) -> dict[int, TreeEnsemble]:
    """The trees that correct the logits of a stacked model, by task."""
    if not (isinstance(model, EMM) and isinstance(model.fusion, StackedFusion)):
        return {}
    trees = enumerate(model.fusion.residuals)
    return {task: each for task, each in trees if isinstance(each, TreeEnsemble)}
