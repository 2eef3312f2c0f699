"""Summaries over seeds, stored as metrics/<dataset>/<recipe>/<model>.json.

The files have only scalars, with the same keys for every model. A value that doesn't exist, such
as the deviation over one seed, is null: `dvc metrics show` prints "-" for it and leaves out empty
columns, and `dvc metrics diff` shows when it appears.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from emm.config.binding import bind
from emm.core.errors import DataError
from emm.core.files import atomic_folder, write_json
from emm.report.results import ModelResults, read_tree, refuse
from emm.report.task_summaries import (
    AnySummary,
    TaskSummary,
    per_seed,
    rounded,
    summarise_binary,
    summarise_task,
)

FUNNEL, NEW_ROWS = "funnel", "auc_new_rows"
NOTHING: Mapping[str, Mapping[str, float | None]] = {}


@dataclass(frozen=True)
class Totals:
    """The values that a model has once, not per task.

    Args:
        mean_score: mean over tasks of AUC, or R squared of a regression task. The file calls it
            ``mean_auc`` if no task is a regression.
        operations: multiplications and additions in matrix products, to predict one row.
        seeds: number of seeds.
        best_epoch: mean over runs.
    """

    mean_score: float
    parameters: int
    operations: int
    seeds: int
    best_epoch: float


@dataclass(frozen=True)
class Summary:
    """Content of a model's metrics file.

    Args:
        funnel: by ctr, ctcvr and cvr, without Gain, if the tasks form a funnel.
        new_rows: AUC by task over the rows of test whose features train lacks, or None where a
            class has no such row; empty unless train is known to have rows of test.
    """

    tasks: Mapping[str, AnySummary]
    totals: Totals
    funnel: Mapping[str, TaskSummary] = field(default_factory=dict)
    new_rows: Mapping[str, float | None] = field(default_factory=dict)

    def flat(self) -> dict[str, Any]:
        """Return the content as the metrics file stores it."""
        tree = asdict(self)
        for scores in (*tree["tasks"].values(), *tree["funnel"].values()):
            if scores.get("gauc", 0.0) is None:
                del scores["gauc"]
        for task, auc in self.new_rows.items():
            tree["tasks"][task][NEW_ROWS] = auc
        totals = {_mean_key(tree["tasks"]): tree["totals"].pop("mean_score"), **tree["totals"]}
        funnel = {FUNNEL: tree["funnel"]} if self.funnel else {}
        return {**tree["tasks"], **funnel, **totals}


def summarise(
    results: Sequence[ModelResults],
    trained: Sequence[str],
    new_rows: Mapping[str, Mapping[str, float | None]] = NOTHING,
) -> dict[str, Summary]:
    """Summarise all models over their seeds; ``new_rows``: see `Summary`, by model.

    Gain = AUC - mean AUC of the ``trained`` models on that task (EMM paper, section IV-D), or the
    same with R squared. Without trained models there is no Gain.

    Raises DataError if ``results`` lack a trained model.
    """
    means = {
        each.name: {task: fmean(per_seed(s)) for task, s in each.evaluation.tasks.items()}
        for each in results
    }
    missing = [name for name in trained if name not in means]
    if missing:
        raise DataError(
            f"the Gain needs the trained model {missing[0]}, which isn't in the table",
            got=f"a table of {', '.join(means)}",
            expected=", ".join(trained),
            next_step=f"add {missing[0]} to `table` in params.yaml, or take it out of `trained`",
        )
    tasks = results[0].evaluation.tasks if results else {}
    baseline = {task: fmean(means[name][task] for name in trained) for task in tasks if trained}
    return {each.name: _summary(each, baseline, new_rows.get(each.name, {})) for each in results}


def write_metrics(folder: Path, summaries: Mapping[str, Summary]) -> None:
    """Write <model>.json for each summary; ``folder`` is replaced."""
    with atomic_folder(folder) as temporary:
        for name, summary in summaries.items():
            write_json(temporary / f"{name}.json", summary.flat())


def read_metrics(folder: Path, models: Sequence[str]) -> dict[str, Summary]:
    """Read the metrics files of ``models``.

    Raises DataError if a file is missing or damaged, or has other tasks than the first one.
    """
    summaries = {model: _read(folder / f"{model}.json") for model in models}
    tasks = [tuple(summary.tasks) for summary in summaries.values()]
    for model, found in zip(models, tasks, strict=True):
        if found != tasks[0]:
            expected = f"{', '.join(tasks[0])}, as in {models[0]}.json"
            refuse(folder / f"{model}.json", "has other tasks", ", ".join(found), expected)
    return summaries


def _summary(
    results: ModelResults, baseline: Mapping[str, float], new_rows: Mapping[str, float | None]
) -> Summary:
    evaluation = results.evaluation
    totals = Totals(
        mean_score=rounded(fmean(fmean(per_seed(task)) for task in evaluation.tasks.values())),
        parameters=evaluation.parameters,
        operations=evaluation.operations,
        seeds=len(evaluation.seeds),
        best_epoch=as_whole(rounded(fmean(run.best_epoch for run in results.runs))),
    )
    return Summary(
        {task: summarise_task(s, baseline.get(task)) for task, s in evaluation.tasks.items()},
        totals,
        {name: summarise_binary(s, None) for name, s in evaluation.funnel.items()},
        new_rows,
    )


def _mean_key(tasks: Mapping[str, Mapping[str, Any]]) -> str:
    return "mean_score" if any("r2" in task for task in tasks.values()) else "mean_auc"


def as_whole(value: float) -> float:
    """Return 12 for 12.0, so that files and tables have no ".0" after a number of epochs."""
    return int(value) if value.is_integer() else value


def _read(path: Path) -> Summary:
    tree: Any = read_tree(path)
    if not isinstance(tree, dict):
        refuse(path, "has unexpected content", type(tree).__name__, "keys and values")
    funnel = tree.pop(FUNNEL) if _is_funnel(tree.get(FUNNEL)) else {}
    tasks = {key: value for key, value in tree.items() if isinstance(value, dict)}
    new_rows = {task: value.pop(NEW_ROWS) for task, value in tasks.items() if NEW_ROWS in value}
    mean = _mean_key(tasks)
    totals = {
        "mean_score" if key == mean else key: value
        for key, value in tree.items()
        if key not in tasks
    }
    errors: list[str] = []
    parts = {"tasks": tasks, "totals": totals, "funnel": funnel, "new_rows": new_rows}
    summary: Summary = bind(Summary, parts, "", errors)
    if errors:
        refuse(path, "has unexpected content", "; ".join(errors), None)
    return summary


def _is_funnel(value: object) -> bool:
    """Whether the key "funnel" has scores by name; a task called "funnel" has numbers."""
    return isinstance(value, dict) and all(isinstance(each, dict) for each in value.values())
