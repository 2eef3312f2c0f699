"""Decomposition of a dataset's trained models into the pools of fused models, seed by seed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from emm.core.progress import progress
from emm.fusion.build_pool import build_pool
from emm.fusion.cached_predictions import save_cached_predictions
from emm.fusion.out_of_fold import in_sample_predictions, out_of_fold_predictions
from emm.fusion.pool import save_pool
from emm.fusion.settings import FusionSettings
from emm.fusion.trained_models import (
    TrainedNetwork,
    TrainedTrees,
    outside_models,
    pipeline_networks,
    pipeline_trees,
)
from emm.nn.bags import attach_bags
from emm.training.checkpoint import Checkpoint
from emm.training.context import TrainingContext
from emm.training.folds import fold_runs

Folders = Mapping[str, Path]
Models = tuple[list[TrainedNetwork], list[TrainedTrees]]


def decompose(
    out: Path,
    context: TrainingContext,
    networks: Folders,
    trees: Folders,
    fusion: FusionSettings,
    seeds: Sequence[int],
    checkpoint: Checkpoint | None = None,
) -> None:
    """Write the pool of every seed, and its cached predictions, to ``out``/seed-S.

    ``networks``, ``trees``: folders of the pipeline's own trained models, by name; models from
    outside are those of ``fusion``. ``checkpoint``: that of the stage, which keeps each finished
    seed. Raises DecompositionError if the networks can't be cut in the same way.
    """
    schema, stage = context.schema, checkpoint or Checkpoint()
    columns = [*schema.dense_names, *schema.sparse_names]
    outside = outside_models(
        fusion.pool,
        schema.tasks,
        context.inputs,
        columns,
        regressions=schema.regressions,
        outputs=schema.outputs,
    )
    with progress("decompose", len(seeds)) as report:
        for number, seed in enumerate(seeds, start=1):
            folder = out / f"seed-{seed}"
            place = stage.of(folder.name)
            if place.read_folder(folder):
                report(number, "decomposed before")
                continue
            own = _load(context, networks, trees, f"seed-{seed}")
            models = ([*own[0], *outside[0]], [*own[1], *outside[1]])
            levels = _write_pool(folder, context, models, fusion, seed)
            for each in own[0]:
                attach_bags(each.model, context.bags)
            folds = [
                _load(context, networks, trees, f"seed-{seed}/{'/'.join(run.names)}")
                for run in fold_runs(fusion)
                if not run.main
            ]
            _write_predictions(folder, context, own[0], models[1], folds, levels, seed)
            place.write_folder(folder)
            report(number, f"{len(models[0])} networks, {len(models[1])} tree ensembles")


def _load(context: TrainingContext, networks: Folders, trees: Folders, run: str) -> Models:
    """The pipeline's own models of one run, seed-S or seed-S/fold-K."""
    tasks, identity = context.schema.tasks, context.schema_sha256
    return (
        pipeline_networks(networks, tasks, identity, run),
        pipeline_trees(trees, tasks, identity, run),
    )


def _write_pool(
    folder: Path, context: TrainingContext, models: Models, fusion: FusionSettings, seed: int
) -> int:
    """Build and save the pool of ``models``; returns its number of levels."""
    pool = build_pool(
        *models,
        context.inputs,
        context.schema.tasks,
        context.schema_sha256,
        seed,
        outputs=context.schema.outputs,
        adapt=fusion.adapter is not None,
    )
    save_pool(pool, folder)
    return len(pool.members.networks[0].levels)


def _write_predictions(
    folder: Path,
    context: TrainingContext,
    networks: Sequence[TrainedNetwork],
    trees: Sequence[TrainedTrees],
    folds: Sequence[Models],
    levels: int,
    seed: int,
) -> None:
    """Save the cached predictions for train and validation, and out of fold if there are ``folds``.

    ``networks``: the pipeline's own.
    """
    train = in_sample_predictions(trees, levels, context.train)
    splits = {
        "train": train,
        "validation": in_sample_predictions(trees, levels, context.validation),
    }
    for fold_networks, _ in folds:
        for each in fold_networks:
            attach_bags(each.model, context.bags)
    if folds:
        unseen = out_of_fold_predictions(networks, folds, levels, context.train, seed)
        splits |= {"out-of-fold": train | unseen} if unseen else {}
    save_cached_predictions(folder, splits)
