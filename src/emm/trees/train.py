"""Training of boosted trees with every seed, and on folds for the pool."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from emm.config.project import Project
from emm.core.progress import progress, say
from emm.data.tables.rows import Rows, RowTensors
from emm.training.auto import complete_recipe
from emm.training.checkpoint import Checkpoint
from emm.training.context import TrainingContext
from emm.training.folds import fold_runs
from emm.training.history import named_scores, write_history
from emm.training.jobs import Job
from emm.training.part_settings import WHOLE, Part
from emm.training.parts import without_columns
from emm.training.settings import (
    FoldSettings,
    PoolSettings,
    TrainingSettings,
    positive_weights,
)
from emm.training.store import save_model
from emm.trees.gbdt import GradientBoosting, fit, grow
from emm.trees.history import BoostingHistory
from emm.trees.settings import BoostingSettings, read_boosting

Record = dict[str, Any]
Boosted = tuple[GradientBoosting, list[Record]]

ARCHITECTURE = "gbdt"  # their name in emm.models.MODELS, whatever the row is called
COPIES = 4  # copies of the rows that boosting holds in memory: float64 columns, and bins


def train_trees(
    out: Path,
    name: str,
    context: TrainingContext,
    boosting: BoostingSettings,
    seeds: tuple[int, ...],
    folds: FoldSettings | None = None,
    checkpoint: Checkpoint | None = None,
    positive_weights: Sequence[float] = (),
    threads: int = 1,
    part: Part = WHOLE,
) -> None:
    """Boost one ensemble per task with every seed; write the models and history.json to ``out``.

    ``name``: that of the row, for messages and in the stored models.

    The model of a seed is stored in ``out``/seed-S. ``folds``: given for trees of the pool, see
    `emm.training.folds`; the models trained without a fold have as many trees as the main model and
    are stored in ``out``/seed-S/fold-K. ``checkpoint``: that of the stage; it saves each finished
    model. ``positive_weights``: factor of the loss of each task's positive rows, () if all are 1.
    ``part``: of the table, that the trees know.
    """
    history: list[Record] = []
    stage = checkpoint or Checkpoint()
    for seed in seeds:
        main, *others = fold_runs(folds)
        own = replace(context, train=main.rows(context.train, seed)).of_part(part)
        rows, held_out = (
            without_columns(in_memory(split, name, title, seed), own.hidden)
            for split, title in ((own.train, "train"), (own.validation, "validation"))
        )
        # A sample is as large as memory allows, which may have changed since the interruption.
        saved = stage.of(f"seed-{seed}", len(rows), len(held_out))
        how = {"seed": seed, "threads": threads, "positive_weights": positive_weights}
        boost = partial(_boost, name, context, boosting, rows, held_out, how)
        model, records = _resume_or(boost, saved, context)
        about = context.describe(name, ARCHITECTURE, model.arguments(), seed)
        save_model(out / f"seed-{seed}", model, about)
        history.extend(records)
        counts = [record["best_epoch"] for record in records]
        for fold in others:
            own = replace(context, train=fold.rows(context.train, seed)).of_part(part)
            rows = without_columns(in_memory(own.train, name, "train", seed), own.hidden)
            saved = stage.of(f"seed-{seed}", *fold.names, len(rows))
            regrow = partial(_grow, context, boosting, rows, counts, how)
            fold_model, _ = _resume_or(regrow, saved, context)
            about = context.describe(name, ARCHITECTURE, fold_model.arguments(), seed)
            save_model(fold.folder(out / f"seed-{seed}"), fold_model, about)
        say(f"{name} seed {seed}: {', '.join(f'{count} rounds' for count in counts)}")
    write_history(out, history)


def _boost(
    name: str,
    context: TrainingContext,
    boosting: BoostingSettings,
    rows: RowTensors,
    held_out: RowTensors,
    how: Mapping[str, Any],
) -> Boosted:
    tasks, seed = context.schema.tasks, how["seed"]
    with progress(f"{name} seed {seed}", len(tasks)) as report:
        model, histories = fit(
            rows,
            held_out,
            context.inputs,
            boosting,
            report=report,
            tasks=tasks,
            **how,
        )
    pairs = zip(tasks, histories, strict=True)
    return model, [_record(seed, task, each, context.schema.kind(task)) for task, each in pairs]


def _grow(
    context: TrainingContext,
    boosting: BoostingSettings,
    rows: RowTensors,
    counts: Sequence[int],
    how: Mapping[str, Any],
) -> Boosted:
    model = grow(
        rows,
        context.inputs,
        boosting,
        counts,
        tasks=context.schema.tasks,
        **how,
    )
    return model, []


def _resume_or(
    boost: Callable[[], Boosted], saved: Checkpoint, context: TrainingContext
) -> Boosted:
    """The model ``saved`` before the stage was interrupted, or the result of ``boost``."""
    found = saved.read()
    if found is None:
        model, records = boost()
        saved.write(model.state_dict(), {"arguments": model.arguments(), "records": records})
        return model, records
    tensors, about = found
    model = GradientBoosting(context.inputs, len(context.schema.tasks), **about["arguments"])
    model.load_state_dict(tensors)
    say(f"{saved.name}: trained before")
    return model.eval(), about["records"]


def in_memory(rows: Rows, name: str, split: str, seed: int) -> RowTensors:
    """All rows of a split, or a sample of a streamed split for which boosting has the memory."""
    sample = rows.in_memory(COPIES, seed)
    if len(sample) < len(rows):
        say(
            f"{name} uses a sample of {split}, {len(sample):,} of {len(rows):,} rows, to fit memory"
        )
    return sample


def _record(seed: int, task: str, history: BoostingHistory, kind: str) -> Record:
    return {
        "seed": seed,
        "task": task,
        "best_epoch": history.best_iteration,
        "epochs": [
            {
                "epoch": each.iteration,
                "train_loss": each.train_loss,
                **named_scores([task], [each.score], [kind]),
            }
            for each in history.iterations
        ],
    }


def trees_job(project: Project, dataset: str, model: str) -> Job:
    """Boosted trees, one ensemble per task, on the CPU."""
    recipe = complete_recipe(project, dataset)
    training = replace(recipe.read("training", TrainingSettings), device="cpu")
    pool = recipe.read_part("fusion", PoolSettings)
    folds = FoldSettings(pool.fit_on, pool.folds) if model in pool.trees else None
    key = f"train.{model}"
    boosting = read_boosting(recipe.section(key), key, str(recipe.path))

    def train(out: Path, context: TrainingContext, checkpoint: Checkpoint) -> None:
        schema = context.schema
        weights = positive_weights(training.positive_weight, schema.tasks, schema.task_kinds)
        train_trees(
            out,
            model,
            context,
            boosting,
            training.seeds,
            folds,
            checkpoint,
            weights,
            training.threads,
            boosting.part,
        )

    return Job(training, {"training": training, "section": boosting, "pool": pool}, train)
