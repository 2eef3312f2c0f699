"""Training of a network with every seed, for all tasks together or for each task."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from emm.core.progress import say
from emm.data.tables.rows import Rows
from emm.nn.bags import attach_bags
from emm.training.checkpoint import Checkpoint
from emm.training.context import TrainingContext, schedule_of
from emm.training.epochs import Epoch
from emm.training.fit import Schedule, fit, run_title
from emm.training.folds import FoldRun, fold_runs
from emm.training.history import run_record, write_history
from emm.training.seeds import seed_init
from emm.training.settings import FoldSettings, OptimiserSettings, TrainingSettings
from emm.training.store import save_model
from emm.training.vectorised import StackedModel, fit_vectorised, obstacle

# A network, and its arguments for model.json.
Built = tuple[nn.Module, Mapping[str, Any]]
# Builds a network with fresh weights.
Build = Callable[[TrainingContext], Built]


@dataclass(frozen=True)
class Run:
    """One training of one network.

    ``build``: makes the network with its first weights; ``names``: see `emm.training.fit.fit`;
    ``task``: the task of a network of one task; ``fold``: which rows it learns on.
    """

    build: Callable[[], Built]
    train: Rows
    validation: Rows
    seed: int
    names: tuple[str, ...]
    task: str | None
    fold: FoldRun


def train_networks(
    out: Path,
    context: TrainingContext,
    checkpoint: Checkpoint | None = None,
    *,
    name: str,
    architecture: str,
    build: Build,
    training: TrainingSettings,
    optimiser: OptimiserSettings,
    per_task: bool = False,
    folds: FoldSettings | None = None,
) -> None:
    """Train a network with every seed; write the models and history.json to ``out``.

    The network of a seed is stored in ``out``/seed-S. With ``per_task`` there is a network for each
    task, stored in ``out``/seed-S/TASK. ``folds``: given for networks of the pool, see
    `emm.training.folds`; the networks trained without a fold are stored in ``out``/seed-S/fold-K.
    ``checkpoint``: that of the stage, from which an interrupted training resumes; ``name``: that of
    the model in the configuration; ``architecture``: its key in MODELS.
    """
    schedule, records = schedule_of(training, optimiser), []
    for fold, seeds in _passes(fold_runs(folds), training):
        runs = list(_runs(context, name, build, fold, seeds, per_task=per_task))
        stacked = _fit_vectorised(runs, schedule) if training.vectorised else None
        for number, run in enumerate(runs):
            if stacked:
                model, arguments, epochs = stacked[number]
            else:
                model, arguments = run.build()
                epochs = fit(
                    model,
                    run.train,
                    run.validation,
                    schedule,
                    seed=run.seed,
                    names=run.names,
                    checkpoint=checkpoint,
                )
            tasks = (run.task,) if run.task else context.schema.tasks
            if fold.main:
                kinds = [context.schema.kind(task) for task in tasks]
                records.append(run_record(run.seed, tasks, epochs, run.task, kinds=kinds))
            about = context.describe(name, architecture, arguments, run.seed)
            folder = fold.folder(out / f"seed-{run.seed}") / (run.task or "")
            save_model(folder, model, replace(about, tasks=tasks))
    write_history(out, records)


def _passes(
    folds: Sequence[FoldRun], training: TrainingSettings
) -> Iterator[tuple[FoldRun, tuple[int, ...]]]:
    """The fold and the seeds of the runs that train in one pass, or one after another."""
    whole = [fold for fold in folds if fold.left_out is None] if training.vectorised else []
    yield from ((fold, tuple(training.seeds)) for fold in whole)
    # The rows without a fold are a copy, which differs by seed: one seed at a time.
    yield from ((fold, (seed,)) for seed in training.seeds for fold in folds if fold not in whole)


def _runs(
    context: TrainingContext,
    name: str,
    build: Build,
    fold: FoldRun,
    seeds: Sequence[int],
    *,
    per_task: bool,
) -> Iterator[Run]:
    """The runs of these seeds, seed by seed, of a network or of one network per task."""
    for seed in seeds:
        rows = fold.rows(context.train, seed)
        make = partial(fresh_network, build, context, seed, name)
        if not per_task:
            names = (name, *fold.names)
            yield Run(make, rows, context.validation, seed, names, None, fold)
            continue
        for number, task in enumerate(context.schema.tasks):
            yield Run(
                # All folds start with the same weights: their hidden units stay comparable.
                partial(make, task),
                rows.task(number),
                context.validation.task(number),
                seed,
                (name, task, *fold.names),
                task,
                fold,
            )


def fresh_network(build: Build, context: TrainingContext, seed: int, *names: str) -> Built:
    """A network on the device with the first weights of this seed, and its arguments."""
    seed_init(seed, *names)
    model, arguments = build(context)
    attach_bags(model, context.bags)
    return model.to(context.device), arguments


def _fit_vectorised(
    runs: Sequence[Run], schedule: Schedule
) -> list[tuple[nn.Module, Mapping[str, Any], list[Epoch]]] | None:
    """Train all ``runs`` in one pass; None if there is only one, or if that is not possible."""
    if len(runs) == 1:
        return None
    built = [run.build() for run in runs]
    models = [
        StackedModel(model, run.train, run.validation, run.seed, run.names)
        for run, (model, _) in zip(runs, built, strict=True)
    ]
    reason = obstacle(models, schedule)
    if reason is not None:
        first = run_title(runs[0].names, runs[0].seed)
        say(f"{first} and {len(runs) - 1} others train one after another: {reason}")
        return None
    histories = fit_vectorised(models, schedule)
    return [(*network, epochs) for network, epochs in zip(built, histories, strict=True)]
