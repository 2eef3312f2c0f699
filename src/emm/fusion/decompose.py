"""Decomposition of a dataset's trained models into the pools of fused models, seed by seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import nn

from emm.core.progress import progress, say
from emm.fusion.build_pool import build_pool
from emm.fusion.cached_predictions import OUT_OF_FOLD, save_cached_predictions
from emm.fusion.check_pool import check_networks, check_whole
from emm.fusion.describe_pool import describe_members
from emm.fusion.member_facts import save_facts, warnings_of
from emm.fusion.out_of_fold import Shared, in_sample_predictions, out_of_fold_predictions
from emm.fusion.outside_models import OutsideMembers, outside_models, stored_join
from emm.fusion.pool import Pool, save_pool
from emm.fusion.scored import FOLDER, copy_scores, original_outputs
from emm.fusion.settings import FusionSettings
from emm.fusion.trained_models import (
    TrainedNetwork,
    TrainedTrees,
    TrainedWhole,
    pipeline_networks,
    pipeline_trees,
    pipeline_whole,
)
from emm.fusion.unlike import join_by_layers, why_unlike
from emm.nn.bags import attach_bags
from emm.training.checkpoint import Checkpoint
from emm.training.context import TrainingContext
from emm.training.folds import fold_runs

Folders = Mapping[str, Path]


@dataclass(frozen=True)
class _Models:
    """The models of a pool by kind."""

    networks: list[TrainedNetwork]
    trees: list[TrainedTrees]
    whole: list[TrainedWhole]
    outside: OutsideMembers = field(default_factory=OutsideMembers)

    @property
    def all_networks(self) -> list[TrainedNetwork]:
        return [*self.networks, *self.outside.networks]

    @property
    def all_trees(self) -> list[TrainedTrees]:
        return [*self.trees, *self.outside.trees]

    @property
    def shared(self) -> list[Shared]:
        """Those that enter by the shares of the levels in their logits."""
        return [*self.all_trees, *self.whole]

    @property
    def all_modules(self) -> dict[str, nn.Module]:
        """The modules of all members that have one, by name."""
        return {each.name: each.model for each in (*self.all_networks, *self.shared)}


def decompose(
    out: Path,
    context: TrainingContext,
    networks: Folders,
    trees: Folders,
    fusion: FusionSettings,
    seeds: Sequence[int],
    checkpoint: Checkpoint | None = None,
    *,
    scores: Path = Path(),
) -> None:
    """Write the pool of every seed, and its cached predictions, to ``out``/seed-S.

    ``networks``, ``trees``: folders of the pipeline's own trained models, by name; models from
    outside are those of ``fusion``, and ``scores`` has a folder of each. ``checkpoint``: that of
    the stage, which keeps each finished seed. Raises DecompositionError if the networks can't be
    cut in the same way, or if one predicts something else when it is rebuilt from its layers.
    """
    stage = checkpoint or Checkpoint()
    outside = outside_models(fusion.pool, context.schema, context.inputs, stored_join(scores))
    if any(each.layers for each in outside.networks):
        outside = _joined(outside, context, networks, fusion, f"seed-{seeds[0]}")
    copy_scores(outside, scores, out / FOLDER, context)
    with progress("decompose", len(seeds)) as report:
        for number, seed in enumerate(seeds, start=1):
            folder = out / f"seed-{seed}"
            place = stage.of(folder.name)
            if place.read_folder(folder):
                report(number, "decomposed before")
                continue
            own = _load(context, networks, trees, f"seed-{seed}")
            models = _Models(own.networks, own.trees, own.whole, outside)
            pool = _write_pool(folder, context, models, fusion, seed)
            scored = original_outputs(scores, pool.members, context)
            check_networks(pool, models.all_networks, context, scored, fusion.pool)
            check_whole(pool, models.whole, context)
            _attach_bags(context, own)
            if fusion.pool:
                _write_facts(folder, context, pool, models, fusion, scores)
            folds = [
                _load(context, networks, trees, f"seed-{seed}/{'/'.join(run.names)}")
                for run in fold_runs(fusion)
                if not run.main
            ]
            _write_predictions(folder, context, models, folds, pool)
            place.write_folder(folder)
            report(number, _counts(models))


def _load(context: TrainingContext, networks: Folders, trees: Folders, run: str) -> _Models:
    """The pipeline's own models of one run, seed-S or seed-S/fold-K."""
    tasks, identity = context.schema.tasks, context.schema_sha256
    return _Models(
        pipeline_networks(networks, tasks, identity, run),
        pipeline_trees(trees, tasks, identity, run),
        pipeline_whole(networks, tasks, identity, run),
    )


def _counts(models: _Models) -> str:
    """The members by kind, in words."""
    found = f"{len(models.all_networks)} networks, {len(models.all_trees)} tree ensembles"
    if models.whole:
        found += f", {len(models.whole)} whole networks"
    opaque = models.outside.opaque
    return found + (f", {len(opaque)} opaque members" if opaque else "")


def _joined(
    outside: OutsideMembers,
    context: TrainingContext,
    networks: Folders,
    fusion: FusionSettings,
    run: str,
) -> OutsideMembers:
    """The outside members as they join the networks of one ``run``, whose structure is that of
    every run."""
    own = pipeline_networks(networks, context.schema.tasks, context.schema_sha256, run)
    adapt = fusion.adapter is not None
    joined = join_by_layers(outside, own, context.inputs, context.schema, adapt=adapt)
    for each in joined.opaque:
        if each.layers is not None:
            say(f"{each.name} joins as an opaque member: {why_unlike(adapt=adapt)}")
    return joined


def _write_pool(
    folder: Path, context: TrainingContext, models: _Models, fusion: FusionSettings, seed: int
) -> Pool:
    """Build and save the pool of ``models``."""
    pool = build_pool(
        models.all_networks,
        models.all_trees,
        context.inputs,
        context.schema.tasks,
        context.schema_sha256,
        seed,
        opaque=models.outside.opaque,
        whole=models.whole,
        outputs=context.schema.outputs,
        regressions=context.schema.regressions,
        adapt=fusion.adapter is not None,
    )
    save_pool(pool, folder)
    return pool


def _write_facts(
    folder: Path,
    context: TrainingContext,
    pool: Pool,
    models: _Models,
    fusion: FusionSettings,
    scores: Path,
) -> None:
    """Save and print what is known about the members; warn of what is suspicious."""
    facts = describe_members(pool, models.all_modules, context, fusion.pool, scores)
    save_facts(folder, facts)
    for fact in facts:
        say(f"seed {pool.seed}: {fact}")
    for warning in (warning for fact in facts for warning in warnings_of(fact)):
        say(f"warning: {warning}")


def _attach_bags(context: TrainingContext, models: _Models) -> None:
    for model in [each.model for each in models.networks] + [each.model for each in models.whole]:
        attach_bags(model, context.bags)


def _write_predictions(
    folder: Path, context: TrainingContext, models: _Models, folds: Sequence[_Models], pool: Pool
) -> None:
    """Save the cached predictions for train and validation, and out of fold if there are ``folds``.

    The scores of outside members are kept apart.
    """
    levels = pool.members.levels
    train = in_sample_predictions(models.shared, levels, context.train)
    splits = {
        "train": train,
        "validation": in_sample_predictions(models.shared, levels, context.validation),
    }
    for fold in folds:
        _attach_bags(context, fold)
    if folds:
        pairs = [(fold.networks, fold.shared) for fold in folds]
        unseen = out_of_fold_predictions(models.networks, pairs, levels, context.train, pool.seed)
        splits |= {OUT_OF_FOLD: train | unseen} if unseen else {}
    save_cached_predictions(folder, splits)
