"""Training of a fused model with every seed."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from emm.config.project import Project
from emm.fusion.emm import EMM
from emm.fusion.fuse import NOT_SET, all_arguments, fuse, with_predictions
from emm.fusion.member_facts import load_facts, save_facts, with_shares
from emm.fusion.pool import Pool, load_pool
from emm.fusion.scored import FOLDER, KEPT, save_scored, scored_columns
from emm.fusion.settings import FusedSettings, FusionSettings
from emm.fusion.shares import mean_shares
from emm.fusion.stacking.ladder import Stack
from emm.fusion.stacking.train import save_stacks
from emm.outside.factories import trusting
from emm.training.auto import complete_recipe
from emm.training.checkpoint import Checkpoint
from emm.training.context import TrainingContext
from emm.training.history import run_record, write_history
from emm.training.jobs import Job
from emm.training.settings import TrainingSettings
from emm.training.store import save_model


def train_fused(
    out: Path,
    context: TrainingContext,
    checkpoint: Checkpoint | None = None,
    *,
    name: str,
    components: Path,
    training: TrainingSettings,
    fusion: FusionSettings,
    settings: FusedSettings,
    arguments: Mapping[str, Any],
) -> None:
    """Fuse the pool of every seed; write the models and history.json to ``out``, and of stacked
    models stacking.json.

    ``components``: the folder that the stage `decompose` wrote; ``arguments``: those of `EMM` that
    the recipe gives; ``checkpoint``: that of the stage, from which an interrupted training resumes.
    """
    records, stacks = [], dict[int, Sequence[Stack | None]]()
    for seed in training.seeds:
        folder = components / f"seed-{seed}"
        pool = load_pool(folder, context.schema_sha256).select(settings.members)
        with trusting(fusion.factories):
            fused = fuse(
                context,
                name,
                folder,
                pool,
                training=training,
                fusion=fusion,
                settings=settings,
                arguments=arguments,
                checkpoint=checkpoint,
            )
        kinds = context.schema.task_kinds
        tasks, model = context.schema.tasks, fused.model
        records.append(run_record(seed, tasks, fused.epochs, kinds=kinds))
        every = all_arguments(context, pool, {**arguments, **fused.arguments})
        save_model(out / f"seed-{seed}", model, context.describe(name, "emm", every, seed))
        stacks |= {seed: fused.stacks} if fused.stacks else {}
        save_scored(out / f"seed-{seed}", kept_scores(context, components, pool))
        if facts := load_facts(folder):
            rows = with_predictions(context, folder, pool, context.validation, "validation")
            shares = mean_shares(model, pool.members, rows)
            save_facts(out / f"seed-{seed}", with_shares(facts, shares))
    write_history(out, records)
    if stacks:
        save_stacks(out, context.schema.tasks, stacks)


def kept_scores(context: TrainingContext, components: Path, pool: Pool) -> dict[str, Tensor]:
    """The scored columns by split that a fused model of ``pool`` keeps; {} if it needs none."""
    if not pool.members.scored_names:
        return {}
    rows = {split: context.schema.splits[split].rows for split in KEPT}
    outputs = context.schema.outputs
    return {
        split: scored_columns(components / FOLDER, pool.members, split, count, outputs)
        for split, count in rows.items()
    }


def fused_job(project: Project, dataset: str, model: str) -> Job:
    """A fusion of the pool that the stage `decompose` stored."""
    recipe, key = complete_recipe(project, dataset), f"train.{model}"
    training = recipe.read("training", TrainingSettings)
    fusion = recipe.read("fusion", FusionSettings)
    settings, arguments = recipe.read_model(key, EMM, FusedSettings, NOT_SET)
    components = project.paths(dataset).components

    train = partial(
        train_fused,
        name=model,
        components=components,
        training=training,
        fusion=fusion,
        settings=settings,
        arguments=arguments,
    )
    return Job(
        training,
        {"training": training, "section": recipe.section(key), "fusion": fusion},
        train,
        sources=(components,),
        code=(Path("pool"),),
    )
