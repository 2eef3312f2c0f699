"""EMM: one multi-task model made of the components of trained single-task models."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from emm.config.binding import Count, Share, bind
from emm.core.errors import ModelFileError, ParamsError
from emm.fusion.aligned import AlignedFusion, Alignment
from emm.fusion.ensemble import Ensemble
from emm.fusion.frozen_modules import Networks, Trees, WholeNetworks, even_shares
from emm.fusion.layout import Layout
from emm.fusion.members import Members
from emm.fusion.paper import PaperFusion
from emm.fusion.settings import PROJECTIONS, Projections, Variant, reads_components
from emm.fusion.stacking.module import Columns, StackedFusion, StackShape
from emm.nn.embedding import FeatureFront
from emm.nn.inputs import Inputs
from emm.nn.numeric import DenseEncoding
from emm.trees.forest import TreeEnsemble


class EMM(nn.Module):
    """A fusion of the trained models of a pool.

    ``pool``: a description of the trained models (`Members`). Their components stay frozen, in eval
    mode, and read the features through their own embeddings. What can't be computed here comes with
    the rows: the logits of opaque members, and the first hidden vectors of networks whose front
    isn't a torch module. A pool without networks that are cut suffices if only logits are combined.

    ``variant``: ``paper`` feeds each component the fused output of its task (Algorithm 2,
    arXiv 2504.09812) and has new towers with the hidden widths ``tower``. ``aligned`` starts as the
    ensemble of the pool, with the towers of the pool, and learns corrections. ``ensemble`` is the
    plain average of the pool and learns nothing. ``stacked`` combines the logits of the members, by
    steps away from their average that help; ``stacks``: the `StackShape` of each task, () for the
    average.

    The gates read new embeddings of the features, of width ``embedding_dim``. Without ``merge``,
    tasks exchange nothing. ``own_paths``, ``zero_merge``, ``uniform_gates``, ``constant_gates``:
    see `Alignment`. ``projections``: Q, K and V of the merges, see `MultiTaskMerge`; by default
    those of the variant (`PROJECTIONS`). ``outputs``: number of logits of each task; () if each has
    one. Raises ParamsError unless there are at least two tasks, a trained model for each and, for
    components that are fused, a network that is cut into some.
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
        projections: Projections | None = None,
        stacks: Sequence[Mapping[str, Any]] = (),
        outputs: Sequence[int] = (),
    ) -> None:
        super().__init__()
        members = _members(pool)
        layout = members.layout(tasks, outputs)
        components = reads_components(variant, merge=merge, own_paths=own_paths)
        _require_fusible(layout, components=components)
        self.offsets = sum(layout.network_outputs)
        self.scored, self.opaque = layout.scored, sum(layout.scored[: layout.opaque])
        self.entries = layout.entries or (0,) * len(members.networks)
        self.scored_names = members.scored_names
        models = [member.build(inputs) for member in members.networks]
        trees = [TreeEnsemble(inputs, **member.sizes) for member in members.trees]
        _require_outputs(trees, layout)
        self.networks = Networks([model.levels for model in models])
        self.trees = Trees(trees, layout.levels)
        whole = [member.build(inputs) for member in members.whole]
        self.whole = WholeNetworks(whole, layout.levels)
        front = FeatureFront(inputs, embedding_dim, dense_encoding)
        self.front: FeatureFront | Columns | None = front
        towers = [model.tower for model in models]
        self.fusion: PaperFusion | AlignedFusion | StackedFusion | Ensemble
        kind = projections or PROJECTIONS[variant]
        if variant == "paper":
            self.fusion = PaperFusion(
                layout, front.width, tower, dropout, merge=merge, projections=kind
            )
        elif variant == "aligned":
            alignment = Alignment(own_paths, zero_merge, uniform_gates, merge, constant_gates, kind)
            self.front = self.front if alignment.reads_features else None
            self.fusion = AlignedFusion(layout, front.width, towers, alignment)
        elif variant == "stacked":
            self.fusion = StackedFusion(layout, inputs, towers, _shapes(stacks))
            self.front = Columns(inputs)
        else:
            self.fusion = Ensemble(layout, towers)
            self.front = None

    def unfreeze(self) -> None:
        """Let everything learn except trees, which can't."""
        self.networks.members.unfreeze()
        if isinstance(self.fusion, AlignedFusion):
            self.fusion.towers.unfreeze()

    def forward(self, dense: Tensor, sparse: Tensor, cached: Tensor | None = None) -> Tensor:
        """dense [B, D], sparse [B, F] -> logits [B, O].

        ``cached`` [B, S*C + N + P]: the cached predictions of the pool's members
        (`emm.fusion.cached_predictions`), which are the shares of the C levels in the S logits of
        trees and whole networks, offsets to the N logits of the networks that are cut, and P scored
        columns (`Layout.scored`). With the scored columns only, [B, P], or with nothing if there
        are none, trees and whole networks are evaluated here. Raises ModelFileError if scored
        columns are missing.
        """
        x, starts, components, shares, offsets = self.prepared(dense, sparse, cached)
        logits: Tensor = self.fusion(x, starts, components, shares, offsets)
        return logits

    def prepared(
        self, dense: Tensor, sparse: Tensor, cached: Tensor | None = None
    ) -> tuple[Tensor, list[tuple[Tensor, ...]], Networks, Tensor, Tensor]:
        """What the fusion reads: the features, what each network starts from, the networks'
        components, the shares [B, S, C] of the levels, and the offsets [B, N]; see `forward`."""
        scored = sum(self.scored)
        if scored and (cached is None or cached.shape[1] < scored):
            raise self._lacks_scores()
        if cached is None or cached.shape[1] == scored:
            shares = torch.cat([self.trees(dense, sparse), self.whole(dense, sparse)], dim=1)
            offsets = dense.new_zeros(dense.shape[0], self.offsets)
        else:
            sizes = [cached.shape[1] - self.offsets - scored, self.offsets, scored]
            flat, offsets, _ = torch.split(cached, sizes, dim=1)
            shares = torch.unflatten(flat, 1, (-1, self.trees.levels))  # [B, S, C]
        starts: list[tuple[Tensor, ...]] = [(dense, sparse)] * len(self.entries)
        if cached is not None and scored:
            shares, starts = self._scored(cached[:, cached.shape[1] - scored :], shares, starts)
        x = dense if self.front is None else self.front(dense, sparse)
        return x, starts, self.networks, shares, offsets

    def _scored(
        self, scored: Tensor, shares: Tensor, starts: Sequence[tuple[Tensor, ...]]
    ) -> tuple[Tensor, list[tuple[Tensor, ...]]]:
        """scored [B, P] -> ``shares`` with those of opaque members, each level having an equal one,
        and ``starts`` with the scored inputs."""
        sizes = [self.opaque, *(width for width in self.entries if width)]
        opaque, *inputs = torch.split(scored, sizes, dim=1)
        even = even_shares(opaque, self.trees.levels)  # [B, S of opaque, C]
        entered = iter(inputs)
        replaced = [
            (next(entered),) if width else start
            for width, start in zip(self.entries, starts, strict=True)
        ]
        return torch.cat([shares, even], dim=1), replaced

    def _lacks_scores(self) -> ModelFileError:
        return ModelFileError(
            "the fused model needs the scores of some of its members for these rows",
            got=f"no scores of {', '.join(self.scored_names)}",
            expected=f"{sum(self.scored)} columns of scores with every batch of rows",
            next_step="load the model with emm.load from the folder of its training and predict a "
            "split of its dataset; other rows have to be scored by these members first",
        )


def _shapes(stacks: Sequence[Mapping[str, Any]]) -> tuple[StackShape, ...]:
    errors: list[str] = []
    shapes: tuple[StackShape, ...] = bind(tuple[StackShape, ...], list(stacks), "stacks", errors)
    if errors:
        raise ModelFileError(f"the description of the stacking is damaged: {'; '.join(errors)}")
    return shapes


def _members(pool: Mapping[str, Any]) -> Members:
    errors: list[str] = []
    members: Members = bind(Members, pool, "pool", errors)
    if errors:
        raise ModelFileError(f"the pool's description is damaged: {'; '.join(errors)}")
    return members


def _require_fusible(layout: Layout, *, components: bool) -> None:
    tasks = len(layout.counts)
    if tasks < 2:
        raise ParamsError(
            "EMM fuses the models of two tasks or more",
            where="fused in params.yaml",
            got=f"{tasks} task",
            expected="at least two",
            next_step="write `fused: []` in params.yaml and take the fused models out of `table`, "
            "or add a task in conf/<dataset>/data.yaml",
        )
    empty = [str(task + 1) for task, count in enumerate(layout.counts) if not count]
    if empty:
        raise ParamsError(
            "EMM fuses trained models of every task",
            got=f"no model of task {', '.join(empty)} among {sum(layout.counts)} models of "
            f"{tasks} tasks",
            expected="at least one model of each task",
            next_step="name more models in `trained` of params.yaml or `members` of the fused "
            "model's section, or leave `members` out",
        )
    if components and not layout.widths:
        raise ParamsError(
            "this fused model reads components, and the pool has no network that is cut into some",
            got=f"{sum(layout.counts)} models of which only the logits are used",
            expected="at least one network of `network: single_task`, whose components define the "
            "levels",
            next_step="train one: `trained` in params.yaml; or write `variant: stacked` or "
            "`variant: ensemble` in the fused model's section, or `merge: false` in one of "
            "`variant: aligned`",
        )


def _require_outputs(trees: Sequence[TreeEnsemble], layout: Layout) -> None:
    found, expected = [each.outputs for each in trees], layout.tree_outputs[: len(trees)]
    if found != expected:
        raise ModelFileError(
            "the pool's trees don't have the outputs of their tasks",
            got=found,
            expected=expected,
            next_step="dvc checkout to restore the model, or dvc repro to train it again",
        )
