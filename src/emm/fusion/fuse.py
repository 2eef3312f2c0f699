"""Fusion of one pool: it starts from the trained models and learns corrections, or stacking."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from emm.core.progress import say
from emm.data.tables.folds import fold_only
from emm.data.tables.rows import Rows
from emm.fusion.cached_predictions import OUT_OF_FOLD, load_cached_predictions
from emm.fusion.emm import EMM
from emm.fusion.fixed_members import pool_faults, without_second_phase
from emm.fusion.pool import Pool
from emm.fusion.rules import fused_faults, rows_of
from emm.fusion.settings import PROJECTIONS, FusedSettings, FusionSettings
from emm.fusion.stacking.ladder import Stack
from emm.fusion.stacking.module import StackedFusion
from emm.fusion.stacking.train import (
    fit_stacks,
    load_stacks,
    say_stacks,
    shape_of,
)
from emm.fusion.start import load_pool_into
from emm.nn.bags import attach_bags
from emm.training.checkpoint import Checkpoint
from emm.training.context import TrainingContext, arguments_of_data, schedule_of
from emm.training.epochs import Epoch, run_title
from emm.training.fit import epoch_before_training, fit
from emm.training.seeds import seed_init
from emm.training.settings import TrainingSettings

NOT_SET = ("pool", "outputs", "stacks")
"""Arguments of `EMM` that no recipe gives: the pool and the data determine them."""


@dataclass(frozen=True)
class Fused:
    """A fused model.

    Attributes:
        model: with the weights of its best epoch.
        epochs: all of them; epoch 0 is the start, or the model itself where nothing is learned in
            epochs.
        stacks: of the variant ``stacked``, what was fitted for each task.
        arguments: those of `EMM` that were found out.
    """

    model: EMM
    epochs: list[Epoch]
    stacks: Sequence[Stack | None] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)


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
) -> Fused:
    """Fuse one ``pool``, which is stored in ``folder``; for the other arguments see `train_fused`.

    Raises ParamsError if the settings contradict each other.
    """
    for fault in fused_faults(f"train.{name}", fusion, settings, arguments):
        raise fault
    for fault in pool_faults(f"train.{name}", pool.members, settings):
        raise fault
    model = _start(context, name, pool, settings, arguments)
    train, validation = fusion_rows(context, folder, pool, fusion, settings)
    if isinstance(model.fusion, StackedFusion):
        return _stacked(context, name, pool, fusion, settings, arguments, train, validation)
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
    return Fused(model, epochs)


def _stacked(
    context: TrainingContext,
    name: str,
    pool: Pool,
    fusion: FusionSettings,
    settings: FusedSettings,
    arguments: Mapping[str, Any],
    train: Rows,
    validation: Rows,
) -> Fused:
    """Fit the steps of stacking, from the plain average of the pool on."""

    def build(**found: Any) -> EMM:
        return _start(context, name, pool, settings, {**arguments, **found})

    stacks = fit_stacks(build(), train, context.inputs, settings.stacking, fusion.folds, pool.seed)
    say_stacks(run_title((name,), pool.seed), context.schema.tasks, stacks)
    found = {"stacks": [asdict(shape_of(each, settings.stacking)) for each in stacks]}
    model = build(**found)
    load_stacks(model, stacks)
    epochs = [epoch_before_training(model, train, validation)]
    return Fused(model, epochs, stacks, found)


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

    train = with_predictions(context, folder, pool, context.train, split)
    if fit_on == "held-out":
        train = fold_only(train, 0, fusion.folds, pool.seed)
    return train, with_predictions(context, folder, pool, context.validation, "validation")


def with_predictions(
    context: TrainingContext, folder: Path, pool: Pool, rows: Rows, split: str
) -> Rows:
    """The rows of a split with the cached predictions of a pool that is stored in ``folder``."""
    outputs = context.schema.outputs
    cached = load_cached_predictions(folder, pool.members, split, len(rows), outputs)
    return rows.with_cached_predictions(cached.to(context.device))
