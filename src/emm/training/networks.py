"""Training of a row of the table: one network per seed, or one per seed and task."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from emm.config import FusionSettings, OptimiserSettings, TrainingSettings
from emm.nn.bags import attach_bags
from emm.training.checkpoint import Checkpoint
from emm.training.context import TrainingContext, schedule_of
from emm.training.folds import Part, parts
from emm.training.history import run_record, write_history
from emm.training.runs import Made, Run, train_runs
from emm.training.seeds import seed_init
from emm.training.store import save_model

# Gives a model with fresh weights, and its arguments for model.json, for a seed.
Build = Callable[[int], tuple[nn.Module, Mapping[str, Any]]]


def train_together(
    out: Path,
    context: TrainingContext,
    name: str,
    architecture: str,
    build: Build,
    training: TrainingSettings,
    optimiser: OptimiserSettings,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Train a model of all tasks with every seed; writes ``out``/seed-S and history.json.

    ``checkpoint``: the stage's, where an interrupted training goes on.
    """
    records = []
    runs = [
        Run(
            partial(fresh, build, seed, context, name),
            context.train,
            context.validation,
            seed,
            (name,),
        )
        for seed in training.seeds
    ]
    schedule = schedule_of(training, optimiser)
    for each in train_runs(runs, schedule, vectorised=training.vectorised, checkpoint=checkpoint):
        seed, kinds = each.run.seed, context.schema.task_kinds
        records.append(run_record(seed, context.schema.tasks, each.epochs, kinds=kinds))
        about = context.describe(name, architecture, each.arguments, seed)
        save_model(out / f"seed-{seed}", each.model, about)
    write_history(out, records)


def train_single(
    out: Path,
    context: TrainingContext,
    name: str,
    build: Build,
    training: TrainingSettings,
    optimiser: OptimiserSettings,
    fusion: FusionSettings,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Train a model of one task with every seed, for each task; writes ``out``/seed-S/TASK.

    ``fusion.fit_on`` says on which rows, and whether there are models of the folds beside it,
    ``out``/seed-S/fold-K/TASK (`emm.training.folds`). ``checkpoint``: see `train_together`.
    """
    records: dict[tuple[int, str], dict[str, Any]] = {}
    schedule = schedule_of(training, optimiser)
    every = parts(fusion, in_pool=not fusion.networks or name in fusion.networks)
    for part, seeds in _passes(every, training):
        runs = list(_runs(context, name, build, fusion, part, seeds))
        for each in train_runs(
            runs, schedule, vectorised=training.vectorised, checkpoint=checkpoint
        ):
            seed, task = each.run.seed, each.run.names[1]
            if not part.names:
                kinds = [context.schema.kind(task)]
                records[seed, task] = run_record(seed, [task], each.epochs, task, kinds=kinds)
            about = context.describe(name, "single_task", each.arguments, seed)
            folder = part.folder(out / f"seed-{seed}")
            save_model(folder / task, each.model, replace(about, tasks=(task,)))
    order = [(seed, task) for seed in training.seeds for task in context.schema.tasks]
    write_history(out, [records[key] for key in order])


def _passes(
    every: Sequence[Part], training: TrainingSettings
) -> Iterator[tuple[Part, tuple[int, ...]]]:
    """What trains in a pass: a part with one seed, or, at once on all rows, with all seeds."""
    whole = [part for part in every if part.fold is None] if training.vectorised else []
    yield from ((part, tuple(training.seeds)) for part in whole)
    # The rows without a fold are each seed's own, and a copy.
    yield from ((part, (seed,)) for seed in training.seeds for part in every if part not in whole)


def _runs(
    context: TrainingContext,
    name: str,
    build: Build,
    fusion: FusionSettings,
    part: Part,
    seeds: Sequence[int],
) -> Iterator[Run]:
    for seed in seeds:
        rows = part.rows(context.train, fusion, seed)
        for number, task in enumerate(context.schema.tasks):
            yield Run(
                # From the same first weights: the folds' hidden units then stay comparable.
                partial(fresh, build, seed, context, name, task),
                rows.task(number),
                context.validation.task(number),
                seed,
                (name, task, *part.names),
            )


def fresh(build: Build, seed: int, context: TrainingContext, *names: str) -> Made:
    """A model with the first weights of this seed, on the device, and its arguments."""
    seed_init(seed, *names)
    model, arguments = build(seed)
    attach_bags(model, context.bags)
    return model.to(context.device), arguments
