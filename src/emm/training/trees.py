"""Training of the boosted-tree row."""

from pathlib import Path
from typing import Any

from emm.core.progress import progress, say
from emm.data.batches import Rows, Table
from emm.models.gbdt import Boosting, Run, fit, grow
from emm.models.store import save_model
from emm.params import FusionParams
from emm.training.history import named_scores, write_history
from emm.training.parts import parts
from emm.training.workbench import Workbench

COPIES = 4  # of the rows, that boosting holds: its own in float64, and the bins


def train_trees(
    out: Path,
    bench: Workbench,
    boosting: Boosting,
    seeds: tuple[int, ...],
    fusion: FusionParams,
) -> None:
    """Boost one ensemble per task with every seed; writes ``out``/seed-S and history.json.

    ``fusion.fit_on`` says on which rows, and whether there are models of the folds beside it,
    ``out``/seed-S/fold-K, with the main model's numbers of trees (`emm.training.parts`).
    """
    runs: list[dict[str, Any]] = []
    tasks = bench.schema.tasks
    for seed in seeds:
        with progress(f"gbdt seed {seed}", len(tasks)) as report:
            own, *folds = parts(fusion, in_pool="gbdt" in fusion.trees)
            rows = in_memory(own.rows(bench.train, fusion, seed), "train", seed)
            held_out = in_memory(bench.validation, "validation", seed)
            model, boosted = fit(rows, held_out, bench.inputs, boosting, seed=seed, report=report)
        about = bench.describe("gbdt", "gbdt", model.arguments(), seed)
        save_model(out / f"seed-{seed}", model, about)
        runs.extend(
            _record(seed, task, run, bench.schema.kind(task))
            for task, run in zip(tasks, boosted, strict=True)
        )
        for part in folds:
            rows = in_memory(part.rows(bench.train, fusion, seed), "train", seed)
            iterations = [run.best_iteration for run in boosted]
            twin = grow(rows, bench.inputs, boosting, iterations, seed=seed)
            about = bench.describe("gbdt", "gbdt", twin.arguments(), seed)
            save_model(part.folder(out / f"seed-{seed}"), twin, about)
        counts = ", ".join(f"{run.best_iteration} trees" for run in boosted)
        say(f"gbdt seed {seed}: {counts}")
    write_history(out, runs)


def in_memory(rows: Rows, split: str, seed: int) -> Table:
    """The rows of a split, or of one that is streamed as many as boosting has memory for."""
    table = rows.in_memory(COPIES, seed)
    if len(table) < len(rows):
        say(f"gbdt uses a sample of {split}, {len(table):,} of {len(rows):,} rows, to fit memory")
    return table


def _record(seed: int, task: str, run: Run, kind: str) -> dict[str, Any]:
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
