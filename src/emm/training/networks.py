"""Training of a row of the table: one network per seed, or one per seed and task."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from emm.core.progress import progress, say
from emm.data.batches import Rows
from emm.models.store import save_model
from emm.nn.bags import attach_bags
from emm.params import FusionParams, OptimiserParams, TrainingParams
from emm.training.checkpoint import Checkpoint
from emm.training.epochs import Epoch, best_epoch
from emm.training.fit import Schedule, fit
from emm.training.history import run_record, write_history
from emm.training.parts import parts
from emm.training.seeds import seed_init
from emm.training.workbench import Workbench, schedule_of

# Gives a model with fresh weights, and its arguments for model.json, for a seed.
Build = Callable[[int], tuple[nn.Module, Mapping[str, Any]]]


def train_together(
    out: Path,
    bench: Workbench,
    name: str,
    architecture: str,
    build: Build,
    training: TrainingParams,
    optimiser: OptimiserParams,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Train a model of all tasks with every seed; writes ``out``/seed-S and history.json.

    ``checkpoint``: the stage's, where an interrupted training goes on.
    """
    runs = []
    schedule = schedule_of(training, optimiser)
    for seed in training.seeds:
        model, arguments = fresh(build, seed, bench, name)
        tables = bench.train, bench.validation
        epochs = train_run(model, *tables, schedule, seed, (name,), checkpoint=checkpoint)
        kinds = bench.schema.task_kinds
        runs.append(run_record(seed, bench.schema.tasks, epochs, kinds=kinds))
        save_model(out / f"seed-{seed}", model, bench.describe(name, architecture, arguments, seed))
    write_history(out, runs)


def train_single(
    out: Path,
    bench: Workbench,
    name: str,
    build: Build,
    training: TrainingParams,
    optimiser: OptimiserParams,
    fusion: FusionParams,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Train a model of one task with every seed, for each task; writes ``out``/seed-S/TASK.

    ``fusion.fit_on`` says on which rows, and whether there are models of the folds beside it,
    ``out``/seed-S/fold-K/TASK (`emm.training.parts`). ``checkpoint``: see `train_together`.
    """
    runs = []
    schedule = schedule_of(training, optimiser)
    for seed in training.seeds:
        for part in parts(fusion, in_pool=not fusion.networks or name in fusion.networks):
            rows = part.rows(bench.train, fusion, seed)
            for number, task in enumerate(bench.schema.tasks):
                tables = rows.task(number), bench.validation.task(number)
                # From the same first weights: the folds' hidden units then stay comparable.
                model, arguments = fresh(build, seed, bench, name, task)
                names = (name, task, *part.names)
                epochs = train_run(model, *tables, schedule, seed, names, checkpoint=checkpoint)
                if not part.names:
                    kinds = [bench.schema.kind(task)]
                    runs.append(run_record(seed, [task], epochs, task, kinds=kinds))
                about = bench.describe(name, "single_task", arguments, seed)
                folder = part.folder(out / f"seed-{seed}")
                save_model(folder / task, model, replace(about, tasks=(task,)))
    write_history(out, runs)


def fresh(
    build: Build, seed: int, bench: Workbench, *names: str
) -> tuple[nn.Module, Mapping[str, Any]]:
    """A model with the first weights of this seed, on the device, and its arguments."""
    seed_init(seed, *names)
    model, arguments = build(seed)
    attach_bags(model, bench.bags)
    return model.to(bench.device), arguments


def train_run(
    model: nn.Module,
    train: Rows,
    validation: Rows,
    schedule: Schedule,
    seed: int,
    names: tuple[str, ...],
    history: Sequence[Epoch] = (),
    checkpoint: Checkpoint | None = None,
) -> list[Epoch]:
    """Train one model with one seed (`fit`), showing how it goes; ``checkpoint``: its stage's."""
    title = f"{' '.join(names)} seed {seed}"
    with progress(title, schedule.max_epochs) as report:
        epochs = fit(
            model,
            train,
            validation,
            schedule,
            seed=seed,
            names=names,
            history=history,
            report=report,
            checkpoint=checkpoint and checkpoint.of(f"seed-{seed}", *names),
        )
    best = epochs[best_epoch(epochs) - epochs[0].epoch]
    say(f"{title}: best of {len(epochs)} epochs is {best.epoch}, score {best.mean_score:.5f}")
    return epochs
