"""Training of a row of the table: one network per seed, or one per seed and task."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from emm.core.progress import progress, say
from emm.data.batches import Table
from emm.models.store import save_model
from emm.params import OptimiserParams, TrainingParams
from emm.training.fit import Epoch, best_epoch, fit
from emm.training.history import run_record, write_history
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
) -> None:
    """Train a model of all tasks with every seed; writes ``out``/seed-S and history.json."""
    runs = []
    for seed in training.seeds:
        model, arguments = _fresh(build, seed, bench, name)
        epochs = _run(model, bench.train, bench.validation, training, optimiser, seed, (name,))
        runs.append(run_record(seed, bench.schema.tasks, epochs))
        save_model(out / f"seed-{seed}", model, bench.describe(name, architecture, arguments, seed))
    write_history(out, runs)


def train_single(
    out: Path,
    bench: Workbench,
    name: str,
    build: Build,
    training: TrainingParams,
    optimiser: OptimiserParams,
) -> None:
    """Train a model of one task with every seed, for each task; writes ``out``/seed-S/TASK."""
    runs = []
    for seed in training.seeds:
        for number, task in enumerate(bench.schema.tasks):
            train, validation = bench.train.task(number), bench.validation.task(number)
            model, arguments = _fresh(build, seed, bench, name, task)
            epochs = _run(model, train, validation, training, optimiser, seed, (name, task))
            runs.append(run_record(seed, [task], epochs, task))
            about = bench.describe(name, "single_task", arguments, seed)
            save_model(out / f"seed-{seed}" / task, model, replace(about, tasks=(task,)))
    write_history(out, runs)


def _fresh(
    build: Build, seed: int, bench: Workbench, *names: str
) -> tuple[nn.Module, Mapping[str, Any]]:
    seed_init(seed, *names)
    model, arguments = build(seed)
    return model.to(bench.device), arguments


def _run(
    model: nn.Module,
    train: Table,
    validation: Table,
    training: TrainingParams,
    optimiser: OptimiserParams,
    seed: int,
    names: tuple[str, ...],
) -> list[Epoch]:
    title = f"{' '.join(names)} seed {seed}"
    with progress(title, training.max_epochs) as report:
        schedule = schedule_of(training, optimiser)
        epochs = fit(model, train, validation, schedule, seed=seed, names=names, report=report)
    best = epochs[best_epoch(epochs) - 1]
    say(f"{title}: best of {len(epochs)} epochs is {best.epoch}, AUC {best.mean_auc:.5f}")
    return epochs
