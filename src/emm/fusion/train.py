"""Training of fused models: they start from their pool and learn in one or two phases."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from emm.config.project import Project
from emm.core.progress import say
from emm.data.tables.folds import fold_only
from emm.data.tables.rows import Rows
from emm.fusion.cached_predictions import OUT_OF_FOLD, load_cached_predictions
from emm.fusion.emm import EMM
from emm.fusion.fixed_members import pool_faults, without_second_phase
from emm.fusion.member_facts import load_facts, save_facts, with_shares
from emm.fusion.pool import Pool, load_pool
from emm.fusion.rules import fused_faults, rows_of
from emm.fusion.scored import FOLDER, KEPT, save_scored, scored_columns
from emm.fusion.settings import PROJECTIONS, FusedSettings, FusionSettings
from emm.fusion.shares import mean_shares
from emm.fusion.start import load_pool_into
from emm.nn.bags import attach_bags
from emm.outside.factories import trusting
from emm.training.auto import complete_recipe
from emm.training.checkpoint import Checkpoint
from emm.training.context import TrainingContext, arguments_of_data, schedule_of
from emm.training.epochs import Epoch
from emm.training.fit import epoch_before_training, fit
from emm.training.history import run_record, write_history
from emm.training.jobs import Job
from emm.training.seeds import seed_init
from emm.training.settings import TrainingSettings
from emm.training.store import save_model

NOT_SET = ("pool", "outputs")
"""Arguments of `EMM` that no recipe gives: the pool and the data determine them."""


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
    """Fuse the pool of every seed; write the models and history.json to ``out``.

    ``components``: the folder that the stage `decompose` wrote; ``arguments``: those of `EMM` that
    the recipe gives; ``checkpoint``: that of the stage, from which an interrupted training resumes.
    """
    records = []
    for seed in training.seeds:
        folder = components / f"seed-{seed}"
        pool = load_pool(folder, context.schema_sha256).select(settings.members)
        with trusting(fusion.factories):
            model, epochs = fuse(
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
        records.append(run_record(seed, context.schema.tasks, epochs, kinds=kinds))
        about = context.describe(name, "emm", all_arguments(context, pool, arguments), seed)
        save_model(out / f"seed-{seed}", model, about)
        save_scored(out / f"seed-{seed}", kept_scores(context, components, pool))
        if facts := load_facts(folder):
            rows = _with_predictions(context, folder, pool, context.validation, "validation")
            shares = mean_shares(model, pool.members, rows)
            save_facts(out / f"seed-{seed}", with_shares(facts, shares))
    write_history(out, records)


def fuse(
    context: TrainingContext,
    name: str,
    folder: Path,
    pool: Pool,
    *,
    training: TrainingSettings,
    fusion: FusionSettings,
    settings: FusedSettings,
    arguments: Mapping[str, Any],
    checkpoint: Checkpoint | None = None,
) -> tuple[EMM, list[Epoch]]:
    """Fuse one ``pool``, which is stored in ``folder``; for the other arguments see `train_fused`.

    Returns the model with the weights of its best epoch, and all epochs; epoch 0 is the start.
    Raises ParamsError if the settings contradict each other.
    """
    for fault in fused_faults(f"train.{name}", fusion, settings, arguments):
        raise fault
    for fault in pool_faults(f"train.{name}", pool.members, settings):
        raise fault
    model = _start(context, name, pool, settings, arguments)
    train, validation = fusion_rows(context, folder, pool, fusion, settings)
    learn = partial(fit, model, train, validation, seed=pool.seed, checkpoint=checkpoint)
    first = schedule_of(training, settings, context.schema)
    epochs = [
        epoch_before_training(model, train, validation, first.positive_weights, first.choose_by)
    ]
    if settings.max_epochs is not None:
        first = replace(first, max_epochs=settings.max_epochs)
    if any(weight.requires_grad for weight in model.parameters()):
        epochs = learn(first, names=(name,), history=epochs)
    if settings.second is not None:
        for sentence in without_second_phase(pool.members):
            say(sentence)
        model.unfreeze()
        slow = replace(first.optimisation, learning_rate=settings.second.learning_rate)
        second = replace(first, optimisation=slow, max_epochs=settings.second.max_epochs)
        epochs = learn(second, names=(name, "second"), history=epochs)
    return model, epochs


def all_arguments(
    context: TrainingContext, pool: Pool, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """The arguments of `EMM` besides inputs and tasks: those given, the pool, and the data's.

    The default of ``projections`` is written out, so that a stored model keeps it.
    """
    of_data = arguments_of_data(EMM, context.schema, context.train)
    projections = arguments.get("projections") or PROJECTIONS[arguments["variant"]]
    return {"pool": pool.describe(), **arguments, "projections": projections, **of_data}


def _start(
    context: TrainingContext,
    name: str,
    pool: Pool,
    settings: FusedSettings,
    arguments: Mapping[str, Any],
) -> EMM:
    """The fused model before training, on the device."""
    seed_init(pool.seed, name)
    tasks = len(context.schema.tasks)
    model = EMM(context.inputs, tasks, **all_arguments(context, pool, arguments))
    load_pool_into(model, pool, settings.start)
    attach_bags(model, context.bags)
    return model.to(context.device)


def fusion_rows(
    context: TrainingContext,
    folder: Path,
    pool: Pool,
    fusion: FusionSettings,
    settings: FusedSettings,
) -> tuple[Rows, Rows]:
    """The rows of train and validation for the fusion, with the cached predictions of the pool."""
    fit_on = rows_of(fusion, settings)
    split = OUT_OF_FOLD if fit_on == "out-of-fold" else "train"

    train = _with_predictions(context, folder, pool, context.train, split)
    if fit_on == "held-out":
        train = fold_only(train, 0, fusion.folds, pool.seed)
    return train, _with_predictions(context, folder, pool, context.validation, "validation")


def _with_predictions(
    context: TrainingContext, folder: Path, pool: Pool, rows: Rows, split: str
) -> Rows:
    outputs = context.schema.outputs
    cached = load_cached_predictions(folder, pool.members, split, len(rows), outputs)
    return rows.with_cached_predictions(cached.to(context.device))


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
