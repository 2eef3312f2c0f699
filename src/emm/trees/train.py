"""Training of boosted trees with every seed, and on folds for the pool."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from emm.config.project import Project
from emm.core.progress import progress, say
from emm.data.tables.rows import Rows, RowTensors
from emm.training.auto import complete_recipe
from emm.training.checkpoint import Checkpoint
from emm.training.context import TrainingContext
from emm.training.folds import FoldRun, fold_runs
from emm.training.history import named_scores, write_history
from emm.training.jobs import Job
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


@dataclass(frozen=True)
class _Row:
    """A row of the table: how its trees are boosted with any seed.

    ``name``: for messages and in the stored models; ``how``: arguments of `fit` and of `grow`.
    """

    name: str
    context: TrainingContext
    boosting: BoostingSettings
    how: Mapping[str, Any]

    def known(self, run: FoldRun, seed: int) -> TrainingContext:
        """The context with the rows and columns that the trees of ``run`` know."""
        train = run.rows(self.context.train, seed)
        return replace(self.context, train=train).of_part(self.boosting.part)

    def in_memory(self, rows: Rows, split: str, own: TrainingContext, seed: int) -> RowTensors:
        """The rows of a split, without the columns that ``own`` hides."""
        return without_columns(in_memory(rows, self.name, split, seed), own.hidden)


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
) -> None:
    """Boost one ensemble per task with every seed; write the models and history.json to ``out``.

    The model of a seed is stored in ``out``/seed-S. ``folds``: given for trees of the pool, see
    `emm.training.folds`; the models trained without a fold have as many trees as the main model and
    are stored in ``out``/seed-S/fold-K. ``checkpoint``: that of the stage; it saves each finished
    model. ``name``: of the row. ``positive_weights``: factor of the loss of each task's positive
    rows, () if all are 1.
    """
    how = {"positive_weights": positive_weights, "threads": threads, "tasks": context.schema.tasks}
    row, stage = _Row(name, context, boosting, how), checkpoint or Checkpoint()
    runs = fold_runs(folds)
    write_history(out, [record for seed in seeds for record in _train(row, seed, runs, stage, out)])


def _train(
    row: _Row, seed: int, runs: Sequence[FoldRun], stage: Checkpoint, out: Path
) -> list[Record]:
    """The models of one seed; returns the history of the main one."""
    main, *others = runs
    own = row.known(main, seed)
    rows = row.in_memory(own.train, "train", own, seed)
    held_out = row.in_memory(own.validation, "validation", own, seed)
    # A sample is as large as memory allows, which may have changed since the interruption.
    saved = stage.of(f"seed-{seed}", len(rows), len(held_out))
    model, records = _resume_or(partial(_boost, row, rows, held_out, seed), saved, row.context)
    _save(row, model, seed, out / f"seed-{seed}")
    counts = [record["best_epoch"] for record in records]
    for fold in others:
        own = row.known(fold, seed)
        rows = row.in_memory(own.train, "train", own, seed)
        saved = stage.of(f"seed-{seed}", *fold.names, len(rows))
        model, _ = _resume_or(partial(_grow, row, rows, counts, seed), saved, row.context)
        _save(row, model, seed, fold.folder(out / f"seed-{seed}"))
    say(f"{row.name} seed {seed}: {', '.join(f'{count} rounds' for count in counts)}")
    return records


def _save(row: _Row, model: GradientBoosting, seed: int, folder: Path) -> None:
    about = row.context.describe(row.name, ARCHITECTURE, model.arguments(), seed)
    save_model(folder, model, about)


def _boost(row: _Row, rows: RowTensors, held_out: RowTensors, seed: int) -> Boosted:
    schema, inputs = row.context.schema, row.context.inputs
    with progress(f"{row.name} seed {seed}", len(schema.tasks)) as report:
        model, histories = fit(
            rows, held_out, inputs, row.boosting, seed=seed, report=report, **row.how
        )
    pairs = zip(schema.tasks, histories, strict=True)
    return model, [_record(seed, task, each, schema.kind(task)) for task, each in pairs]


def _grow(row: _Row, rows: RowTensors, counts: Sequence[int], seed: int) -> Boosted:
    return grow(rows, row.context.inputs, row.boosting, counts, seed=seed, **row.how), []


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
        )

    return Job(training, {"training": training, "section": boosting, "pool": pool}, train)
