"""Training of the boosted-tree row."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from emm.config.project import Project
from emm.core.progress import progress, say
from emm.data.tables.rows import Rows, RowTensors
from emm.training.checkpoint import Checkpoint
from emm.training.context import TrainingContext
from emm.training.folds import fold_runs
from emm.training.history import named_scores, write_history
from emm.training.jobs import Job
from emm.training.settings import FoldSettings, PoolSettings, TrainingSettings
from emm.training.store import save_model
from emm.trees.gbdt import GradientBoosting, Run, fit, grow
from emm.trees.settings import Boosting

Record = dict[str, Any]
Boosted = tuple[GradientBoosting, list[Record]]

COPIES = 4  # of the rows, that boosting holds: its own in float64, and the bins


def train_trees(
    out: Path,
    context: TrainingContext,
    boosting: Boosting,
    seeds: tuple[int, ...],
    folds: FoldSettings | None = None,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Boost one ensemble per task with every seed; writes ``out``/seed-S and history.json.

    ``folds``: given for trees of the pool, see `emm.training.folds`; the ensembles trained without
    a fold have the main model's numbers of trees and are stored in ``out``/seed-S/fold-K.
    ``checkpoint``: that of the stage, which keeps each finished model.
    """
    runs: list[Record] = []
    keep = checkpoint or Checkpoint()
    for seed in seeds:
        main, *others = fold_runs(folds)
        rows = in_memory(main.rows(context.train, seed), "train", seed)
        held_out = in_memory(context.validation, "validation", seed)
        # A sample is as large as memory allows, which may have changed.
        place = keep.of(f"seed-{seed}", len(rows), len(held_out))
        boost = partial(_boost, context, boosting, rows, held_out, seed)
        model, records = _once(place, context, boost)
        about = context.describe("gbdt", "gbdt", model.arguments(), seed)
        save_model(out / f"seed-{seed}", model, about)
        runs.extend(records)
        counts = [record["best_epoch"] for record in records]
        for fold in others:
            rows = in_memory(fold.rows(context.train, seed), "train", seed)
            place = keep.of(f"seed-{seed}", *fold.names, len(rows))
            twin, _ = _once(place, context, partial(_grow, context, boosting, rows, counts, seed))
            about = context.describe("gbdt", "gbdt", twin.arguments(), seed)
            save_model(fold.folder(out / f"seed-{seed}"), twin, about)
        say(f"gbdt seed {seed}: {', '.join(f'{count} trees' for count in counts)}")
    write_history(out, runs)


def _boost(
    context: TrainingContext, boosting: Boosting, rows: RowTensors, held_out: RowTensors, seed: int
) -> Boosted:
    tasks = context.schema.tasks
    with progress(f"gbdt seed {seed}", len(tasks)) as report:
        model, runs = fit(rows, held_out, context.inputs, boosting, seed=seed, report=report)
    pairs = zip(tasks, runs, strict=True)
    return model, [_record(seed, task, run, context.schema.kind(task)) for task, run in pairs]


def _grow(
    context: TrainingContext, boosting: Boosting, rows: RowTensors, counts: Sequence[int], seed: int
) -> Boosted:
    return grow(rows, context.inputs, boosting, counts, seed=seed), []


def _once(place: Checkpoint, context: TrainingContext, make: Callable[[], Boosted]) -> Boosted:
    """What ``make`` gives, or what it gave before the stage was interrupted."""
    saved = place.read()
    if saved is None:
        model, records = make()
        place.write(model.state_dict(), {"arguments": model.arguments(), "records": records})
        return model, records
    tensors, about = saved
    model = GradientBoosting(context.inputs, len(context.schema.tasks), **about["arguments"])
    model.load_state_dict(tensors)
    say(f"{place.name}: trained before")
    return model.eval(), about["records"]


def in_memory(rows: Rows, split: str, seed: int) -> RowTensors:
    """The rows of a split, or of one that is streamed as many as boosting has memory for."""
    table = rows.in_memory(COPIES, seed)
    if len(table) < len(rows):
        say(f"gbdt uses a sample of {split}, {len(table):,} of {len(rows):,} rows, to fit memory")
    return table


def _record(seed: int, task: str, run: Run, kind: str) -> Record:
    return {
        "seed": seed,
        "task": task,
        "best_epoch": run.best_iteration,
        "epochs": [
            {
                "epoch": each.iteration,
                "train_loss": each.train_loss,
                **named_scores([task], [each.score], [kind]),
            }
            for each in run.iterations
        ],
    }


def trees_job(project: Project, dataset: str, model: str) -> Job:
    """Boosted trees, one ensemble per task, on the CPU."""
    recipe = project.recipe(dataset)
    training = replace(recipe.read("training", TrainingSettings), device="cpu")
    pool = recipe.read_part("fusion", PoolSettings)
    folds = FoldSettings(pool.fit_on, pool.folds) if model in pool.trees else None
    boosting = recipe.read(f"train.{model}", Boosting)

    def train(context: TrainingContext, out: Path, checkpoint: Checkpoint) -> None:
        train_trees(out, context, boosting, training.seeds, folds, checkpoint)

    return Job(training, {"training": training, "section": boosting, "pool": pool}, train)
