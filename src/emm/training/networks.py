"""Training of a network with every seed, for all tasks together or for each task."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from emm.core.progress import say
from emm.nn.bags import attach_bags
from emm.training.checkpoint import Checkpoint
from emm.training.context import TrainingContext, arguments_of_data, schedule_of
from emm.training.epochs import Epoch, run_title
from emm.training.fit import Schedule, fit
from emm.training.folds import FoldRun, fold_runs
from emm.training.history import run_record, write_history
from emm.training.part_settings import WHOLE, Part
from emm.training.seeds import seed_init
from emm.training.settings import FoldSettings, OptimiserSettings, TrainingSettings
from emm.training.store import save_model
from emm.training.vectorised import StackedModel, fit_vectorised, obstacle

# A network, and its arguments for model.json.
Built = tuple[nn.Module, Mapping[str, Any]]
# Builds a network with fresh weights for the tasks of a context.
Build = Callable[[TrainingContext], Built]


@dataclass(frozen=True)
class Run:
    """One training of one network.

    ``build``: makes the network with its first weights; ``context``: that of the network's tasks,
    with the rows that it learns on; ``names``: see `emm.training.fit.fit`; ``task``: the task of a
    network of one task.
    """

    build: Callable[[], Built]
    context: TrainingContext
    seed: int
    names: tuple[str, ...]
    task: str | None


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
    part: Part = WHOLE,
) -> None:
    """Train a network with every seed; write the models and history.json to ``out``.

    The network of a seed is stored in ``out``/seed-S. With ``per_task`` there is a network for each
    task, which learns on the task's labelled rows and is stored in ``out``/seed-S/TASK. ``build``
    gets the context of the network's tasks. ``folds``: given for networks of the pool, see
    `emm.training.folds`; the networks trained without a fold are stored in ``out``/seed-S/fold-K.
    ``part``: of the table, that the network knows.
    ``checkpoint``: that of the stage, from which an interrupted training resumes; ``name``: that of
    the model in the configuration; ``architecture``: its key in MODELS.
    """
    every, records = schedule_of(training, optimiser, context.schema), list[dict[str, Any]]()
    passes = _passes(context, every, training, fold_runs(folds), part, per_task=per_task)
    for fold, seeds, contexts, schedule in passes:
        make = partial(_run, name, build, fold, per_task=per_task)
        runs = [make(seed, own) for seed in seeds for own in contexts]
        stacked = _fit_vectorised(runs, schedule) if training.vectorised else None
        for number, run in enumerate(runs):
            if stacked:
                model, arguments, epochs = stacked[number]
            else:
                model, arguments = run.build()
                epochs = fit(
                    model,
                    run.context.train,
                    run.context.validation,
                    schedule,
                    seed=run.seed,
                    names=run.names,
                    checkpoint=checkpoint,
                )
            tasks, kinds = run.context.schema.tasks, run.context.schema.task_kinds
            if fold.main:
                records.append(run_record(run.seed, tasks, epochs, run.task, kinds=kinds))
            about = run.context.describe(name, architecture, arguments, run.seed)
            save_model(fold.folder(out / f"seed-{run.seed}") / (run.task or ""), model, about)
    write_history(out, sorted(records, key=lambda record: training.seeds.index(record["seed"])))


class Pass(NamedTuple):
    """Networks that can train together: one of each seed in each context, with one schedule.

    ``fold``: on which rows of train; ``contexts``: that of all tasks, or those of single tasks.
    """

    fold: FoldRun
    seeds: tuple[int, ...]
    contexts: Sequence[TrainingContext]
    schedule: Schedule


def _passes(
    context: TrainingContext,
    schedule: Schedule,
    training: TrainingSettings,
    folds: Sequence[FoldRun],
    part: Part,
    *,
    per_task: bool,
) -> Iterator[Pass]:
    """The passes; each context is made when its turn comes, as its rows may be a copy."""
    whole = [fold for fold in folds if fold.left_out is None] if training.vectorised else []
    seeds = [(fold, tuple(training.seeds)) for fold in whole]
    # The rows without a fold are a copy, which differs by seed: one seed at a time.
    seeds += [(fold, (seed,)) for seed in training.seeds for fold in folds if fold not in whole]
    for fold, own_seeds in seeds:
        # The folds are those of all rows, the same for every member.
        rows = replace(context, train=fold.rows(context.train, own_seeds[0])).of_part(part)
        if not per_task:
            yield Pass(fold, own_seeds, [rows], schedule)
            continue
        for numbers in _alike(rows, schedule):
            contexts = [rows.task(number) for number in numbers]
            yield Pass(fold, own_seeds, contexts, schedule.task(numbers[0]))


def _alike(context: TrainingContext, schedule: Schedule) -> list[list[int]]:
    """The numbers of the tasks, in groups with the same rows and the same loss."""
    schema = context.schema
    numbers = list(range(len(schema.tasks)))
    losses = {
        (schema.kind(task), schema.outputs[n : n + 1], schedule.task(n).positive_weights)
        for n, task in enumerate(schema.tasks)
    }
    if len(losses) == 1 and not context.train.partly_labelled:
        return [numbers]
    return [[number] for number in numbers]


def _run(
    name: str, build: Build, fold: FoldRun, seed: int, context: TrainingContext, *, per_task: bool
) -> Run:
    """The run of one seed; ``context``: that of the network's tasks."""
    tasks = context.schema.tasks if per_task else ()
    # All folds start with the same weights: their hidden units stay comparable.
    make = partial(fresh_network, build, context, seed, name, *tasks)
    task = tasks[0] if tasks else None
    return Run(make, context, seed, (name, *tasks, *fold.names), task)


def build_network(
    architecture: Any, arguments: Mapping[str, Any], context: TrainingContext
) -> Built:
    """A network for the tasks of ``context``; the data supplies the rest of its arguments."""
    every = {**arguments, **arguments_of_data(architecture, context.schema, context.train)}
    if context.hidden:
        every["hidden"] = context.hidden
    return architecture(context.inputs, len(context.schema.tasks), **every), every


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
        StackedModel(model, run.context.train, run.context.validation, run.seed, run.names)
        for run, (model, _) in zip(runs, built, strict=True)
    ]
    reason = obstacle(models, schedule)
    if reason is not None:
        first = run_title(runs[0].names, runs[0].seed)
        say(f"{first} and {len(runs) - 1} others train one after another: {reason}")
        return None
    histories = fit_vectorised(models, schedule)
    return [(*network, epochs) for network, epochs in zip(built, histories, strict=True)]
