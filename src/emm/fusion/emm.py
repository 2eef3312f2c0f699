"""EMM: one multi-task model made of the components of trained single-task models."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from emm.config.binding import Count, Share, bind
from emm.core.errors import ModelFileError, ParamsError
from emm.fusion.aligned import AlignedFusion, Alignment
from emm.fusion.ensemble import Ensemble
from emm.fusion.frozen_modules import Networks, Trees
from emm.fusion.layout import Layout
from emm.fusion.paper import PaperFusion
from emm.fusion.pool import Members
from emm.fusion.settings import Variant
from emm.nn.embedding import FeatureFront
from emm.nn.inputs import Inputs
from emm.nn.numeric import DenseEncoding
from emm.trees.forest import TreeEnsemble


class EMM(nn.Module):
    """A fusion of the trained models of a pool.

    ``pool``: a description of the trained models (`Members`). Their components stay frozen, in eval
    mode, and read the raw features through their own embeddings.

    ``variant``: ``paper`` feeds each component the fused output of its task (Algorithm 2,
    arXiv 2504.09812) and has new towers with the hidden widths ``tower``. ``aligned`` starts as the
    ensemble of the pool, with the towers of the pool, and learns corrections. ``ensemble`` is the
    plain average of the pool and learns nothing.

    The gates read new embeddings of the features, of width ``embedding_dim``. Without ``merge``,
    tasks exchange nothing. ``own_paths``, ``zero_merge``, ``uniform_gates``, ``constant_gates``:
    see `Alignment`. Raises ParamsError unless there are at least two tasks, a trained model for
    each, and a network among them.
    """

    def __init__(
        self,
        inputs: Inputs,
        tasks: int,
        *,
        variant: Variant,
        pool: Mapping[str, Any],
        embedding_dim: Count = 4,
        tower: Sequence[int] = (),
        dropout: Share = 0.0,
        dense_encoding: DenseEncoding = "scaled",
        merge: bool = True,
        own_paths: bool = True,
        zero_merge: bool = True,
        uniform_gates: bool = True,
        constant_gates: bool = False,
    ) -> None:
        super().__init__()
        members = _members(pool)
        layout = members.layout(tasks)
        _require_fusible(layout)
        models = [member.build(inputs) for member in members.networks]
        trees = [TreeEnsemble(inputs, **member.sizes) for member in members.trees]
        self.networks = Networks([model.levels for model in models])
        self.trees = Trees(trees, len(layout.level_widths))
        front = FeatureFront(inputs, embedding_dim, dense_encoding)
        self.front: FeatureFront | None = front
        towers = [model.tower for model in models]
        self.fusion: PaperFusion | AlignedFusion | Ensemble
        if variant == "paper":
            self.fusion = PaperFusion(layout, front.width, tower, dropout, merge=merge)
        elif variant == "aligned":
            alignment = Alignment(own_paths, zero_merge, uniform_gates, merge, constant_gates)
            self.front = self.front if alignment.reads_features else None
            self.fusion = AlignedFusion(layout, front.width, towers, alignment)
        else:
            self.fusion = Ensemble(layout, towers)
            self.front = None

    def unfreeze(self) -> None:
        """Let everything learn except trees, which can't."""
        self.networks.members.unfreeze()
        if isinstance(self.fusion, AlignedFusion):
            self.fusion.towers.unfreeze()

    def forward(self, dense: Tensor, sparse: Tensor, cached: Tensor | None = None) -> Tensor:
        """dense [B, D], sparse [B, F] -> logits [B, T].

        ``cached`` [B, trees*C + networks]: the cached predictions of the pool's members
        (`emm.fusion.cached_predictions`), which are the shares of the trees in their logits, and
        offsets to the networks' logits. Without them, the trees are evaluated here.
        """
        networks = len(self.networks.members)
        if cached is None:
            shares = self.trees(dense, sparse)  # [B, trees, C]
            offsets = dense.new_zeros(len(dense), networks)
        else:
            flat, offsets = torch.split(cached, [cached.shape[1] - networks, networks], dim=1)
            sizes = len(flat), len(self.trees.members), self.trees.levels
            shares = flat.view(sizes)  # [B, trees, C]
        x = dense if self.front is None else self.front(dense, sparse)
        logits: Tensor = self.fusion(x, (dense, sparse), self.networks, shares, offsets)
        return logits


def _members(pool: Mapping[str, Any]) -> Members:
    errors: list[str] = []
    members: Members = bind(Members, pool, "pool", errors)
    if errors:
        raise ModelFileError(f"the pool's description is damaged: {'; '.join(errors)}")
    return members


def _require_fusible(layout: Layout) -> None:
    tasks = len(layout.counts)
    empty = [str(task + 1) for task, count in enumerate(layout.counts) if not count]
    if empty or tasks < 2 or not layout.widths:
        lacking = "no network" if not layout.widths else f"none for task {', '.join(empty)}"
        raise ParamsError(
            "EMM fuses two tasks or more, with a trained model for each and a network among them",
            got=f"{tasks} tasks; {lacking}" if empty or not layout.widths else f"{tasks} task",
            next_step="add tasks in conf/<dataset>/data.yaml, or trained models in params.yaml",
        )
