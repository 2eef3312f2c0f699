"""From the trained models of a dataset to what fused models start from, seed by seed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from emm.core.progress import progress
from emm.fusion.build_pool import (
    Grown,
    Trained,
    build_pool,
    outside_models,
    pipeline_models,
    pipeline_trees,
)
from emm.fusion.cached_predictions import Columns, save_given
from emm.fusion.out_of_fold import as_trained, out_of_fold
from emm.fusion.pool import save_pool
from emm.fusion.settings import FusionSettings
from emm.nn.bags import attach_bags
from emm.training.checkpoint import Checkpoint
from emm.training.context import TrainingContext
from emm.training.folds import fold_runs

Folders = Mapping[str, Path]


def decompose(
    out: Path,
    context: TrainingContext,
    networks: Folders,
    trees: Folders,
    fusion: FusionSettings,
    seeds: Sequence[int],
    checkpoint: Checkpoint | None = None,
) -> None:
    """Write each seed's pool, and what its members say of train and validation, to ``out``/seed-S.

    ``networks``, ``trees``: folders of the pipeline's own trained models, by row; those from
    outside are named in ``fusion``. ``checkpoint``: the stage's, which keeps each seed that is
    finished. Raises DecompositionError if the networks can't be cut alike.
    """
    tasks = context.schema.tasks
    columns = [*context.schema.dense_names, *context.schema.sparse_names]
    outside, grown = outside_models(
        fusion.pool, tasks, context.inputs, columns, regressions=context.schema.regressions
    )
    keep = checkpoint or Checkpoint()
    with progress("decompose", len(seeds)) as report:
        for number, seed in enumerate(seeds, start=1):
            folder = out / f"seed-{seed}"
            if keep.of(folder.name).read_folder(folder):
                report(number, "decomposed before")
                continue
            own = _gather(context, networks, trees, f"seed-{seed}")
            trained, boosted = [*own[0], *outside], [*own[1], *grown]
            pool = build_pool(
                trained,
                boosted,
                context.inputs,
                tasks,
                context.schema_sha256,
                seed,
                adapt=fusion.adapter is not None,
            )
            for each in own[0]:
                attach_bags(each.model, context.bags)
            save_pool(pool, folder)
            levels = len(pool.members.networks[0].levels)
            said = as_trained(boosted, levels, context.train)
            unseen = _out_of_fold(context, networks, trees, own, levels, fusion, seed)
            given = {
                "train": said,
                "validation": as_trained(boosted, levels, context.validation),
            }
            save_given(folder, given | ({"out-of-fold": said | unseen} if unseen else {}))
            keep.of(folder.name).write_folder(folder)
            report(number, f"{len(trained)} networks, {len(boosted)} tree ensembles")


def _out_of_fold(
    context: TrainingContext,
    networks: Folders,
    trees: Folders,
    own: tuple[list[Trained], list[Grown]],
    levels: int,
    fusion: FusionSettings,
    seed: int,
) -> Columns:
    """What the folds' models say of train rows; nothing unless there are such models."""
    folds = [
        _gather(context, networks, trees, f"seed-{seed}/{'/'.join(run.names)}")
        for run in fold_runs(fusion)
        if not run.main
    ]
    for trained, _ in folds:
        for each in trained:
            attach_bags(each.model, context.bags)
    return out_of_fold(own[0], folds, levels, context.train, seed) if folds else {}


def _gather(
    context: TrainingContext, networks: Folders, trees: Folders, part: str
) -> tuple[list[Trained], list[Grown]]:
    tasks, identity = context.schema.tasks, context.schema_sha256
    return (
        pipeline_models(networks, tasks, identity, part),
        pipeline_trees(trees, tasks, identity, part),
    )
