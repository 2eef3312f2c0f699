"""Training of a fused row: a start from the pool, then one or two phases of learning."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from emm.config import FusionSettings, OptimiserSettings, TrainingSettings
from emm.config.binding import Count, OneOf, Positive
from emm.data.tables.batches import Rows
from emm.data.tables.folds import fold_only
from emm.fusion.cached_predictions import load_given
from emm.fusion.emm import EMM
from emm.fusion.pool import Pool, load_pool
from emm.fusion.start import Start, load_pool_into
from emm.nn.bags import attach_bags
from emm.training.checkpoint import Checkpoint
from emm.training.context import TrainingContext, schedule_of
from emm.training.epochs import Epoch
from emm.training.fit import before_training
from emm.training.history import run_record, write_history
from emm.training.runs import train_run
from emm.training.seeds import seed_init
from emm.training.store import save_model


@dataclass(frozen=True)
class Phase:
    """Learning of everything, the trained networks too, at a step size of its own."""

    learning_rate: Positive
    max_epochs: Count


@dataclass(frozen=True)
class FusedSettings(OptimiserSettings):
    """How a fused row is trained: ``members`` of the pool (all if none is named), its ``start``,
    and its phases: at most ``max_epochs`` (by default as every model) with the networks frozen,
    then, if there is one, the ``second``, in which they learn too. ``fit_on: train`` learns on
    what the pool has memorised, whatever `FusionSettings.fit_on` says, for comparison."""

    members: tuple[str, ...] = ()
    start: Start = field(default_factory=Start)
    max_epochs: Count | None = None
    second: Phase | None = None
    fit_on: Annotated[str, OneOf("train")] | None = None


def train_fused(
    out: Path,
    context: TrainingContext,
    name: str,
    components: Path,
    *,
    training: TrainingSettings,
    fusion: FusionSettings,
    settings: FusedSettings,
    arguments: Mapping[str, Any],
    checkpoint: Checkpoint | None = None,
) -> None:
    """Fuse the pool of every seed in ``components``; writes ``out``/seed-S and history.json.

    ``checkpoint``: the stage's, where an interrupted training goes on.
    """
    runs = []
    for seed in training.seeds:
        folder = components / f"seed-{seed}"
        pool = load_pool(folder, context.schema_sha256).only(settings.members)
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
        runs.append(run_record(seed, context.schema.tasks, epochs, kinds=kinds))
        about = {"pool": pool.describe(), **arguments}
        save_model(out / f"seed-{seed}", model, context.describe(name, "emm", about, seed))
    write_history(out, runs)


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
    """Fuse one ``pool``, kept in ``folder``; ``arguments`` are those of `EMM` but the pool.

    Gives the model with the weights of its best epoch, and all epochs, the start as epoch 0.
    """
    seed_init(pool.seed, name)
    model = EMM(context.inputs, len(context.schema.tasks), pool=pool.describe(), **arguments)
    load_pool_into(model, pool, settings.start)
    attach_bags(model, context.bags)
    model = model.to(context.device)
    train, validation = tables(context, folder, pool, fusion, settings)
    epochs = [before_training(model, train, validation)]
    first = schedule_of(training, settings)
    if settings.max_epochs is not None:
        first = replace(first, max_epochs=settings.max_epochs)
    if any(weight.requires_grad for weight in model.parameters()):
        epochs = train_run(
            model, train, validation, first, pool.seed, (name,), epochs, checkpoint=checkpoint
        )
    if settings.second is not None:
        model.thaw()
        slow = replace(first.optimisation, learning_rate=settings.second.learning_rate)
        second = replace(first, optimisation=slow, max_epochs=settings.second.max_epochs)
        names = (name, "second")
        epochs = train_run(
            model, train, validation, second, pool.seed, names, epochs, checkpoint=checkpoint
        )
    return model, epochs


def tables(
    context: TrainingContext,
    folder: Path,
    pool: Pool,
    fusion: FusionSettings,
    settings: FusedSettings,
) -> tuple[Rows, Rows]:
    """Train and validation as the fusion learns on them, with what the pool says of each row."""
    fit_on = settings.fit_on or fusion.fit_on
    split = "out-of-fold" if fit_on == "out-of-fold" else "train"
    train, validation = (
        rows.with_given(load_given(folder, pool.members, name, len(rows)).to(context.device))
        for name, rows in ((split, context.train), ("validation", context.validation))
    )
    if fit_on == "held-out":
        train = fold_only(train, 0, fusion.folds, pool.seed)
    return train, validation
