"""Summaries over seeds, stored as metrics/<dataset>/<recipe>/<model>.json.

The files have only scalars, with the same keys for every model. A value that doesn't exist, such
as the deviation over one seed, is null: `dvc metrics show` prints "-" for it and leaves out empty
columns, and `dvc metrics diff` shows when it appears.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, ClassVar

from emm.config.binding import bind
from emm.core.errors import DataError
from emm.core.files import atomic_folder, write_json
from emm.report.results import ModelResults, RegressionScores, Scores, read_tree, refuse

DECIMALS = 8
FUNNEL = "funnel"


@dataclass(frozen=True)
class TaskSummary:
    """A binary task's test scores, as means over seeds.

    Args:
        auc_std: standard deviation over seeds.
        auc_gain: Gain over the trained single-task models.
        gauc: None if the dataset has no `gauc_key`; then the file has no such key either.
    """

    measure: ClassVar[str] = "AUC"
    key: ClassVar[str] = "auc"
    auc: float
    auc_std: float | None
    auc_gain: float | None
    logloss: float
    ece: float
    gauc: float | None = None

    @property
    def score(self) -> tuple[float, float | None, float | None]:
        """Mean, standard deviation over seeds, and Gain."""
        return self.auc, self.auc_std, self.auc_gain

    @property
    def errors(self) -> Mapping[str, float]:
        """The other scores by their displayed name; lower is better."""
        return {"log loss": self.logloss, "ECE": self.ece}


@dataclass(frozen=True)
class RegressionSummary:
    """A regression task's test scores, as means over seeds; RMSE and MAE in the label's units."""

    measure: ClassVar[str] = "R²"
    key: ClassVar[str] = "r2"
    r2: float
    r2_std: float | None
    r2_gain: float | None
    rmse: float
    mae: float

    @property
    def score(self) -> tuple[float, float | None, float | None]:
        """Mean, standard deviation over seeds, and Gain."""
        return self.r2, self.r2_std, self.r2_gain

    @property
    def errors(self) -> Mapping[str, float]:
        """The other scores by their displayed name; lower is better."""
        return {"RMSE": self.rmse, "MAE": self.mae}


@dataclass(frozen=True)
class Totals:
    """The values that a model has once, not per task.

    Args:
        mean_score: mean over tasks of AUC, or R squared of a regression task. The file calls it
            ``mean_auc`` if all tasks are binary.
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
    """

    tasks: Mapping[str, TaskSummary | RegressionSummary]
    totals: Totals
    funnel: Mapping[str, TaskSummary] = field(default_factory=dict)

    def flat(self) -> dict[str, Any]:
        """Return the content as the metrics file stores it."""
        tree = asdict(self)
        for scores in (*tree["tasks"].values(), *tree["funnel"].values()):
            if scores.get("gauc", 0.0) is None:
                del scores["gauc"]
        totals = {_mean_key(tree["tasks"]): tree["totals"].pop("mean_score"), **tree["totals"]}
        funnel = {FUNNEL: tree["funnel"]} if self.funnel else {}
        return {**tree["tasks"], **funnel, **totals}


def summarise(results: Sequence[ModelResults], trained: Sequence[str]) -> dict[str, Summary]:
    """Summarise all models over their seeds.

    Gain = AUC - mean AUC of the ``trained`` models on that task (EMM paper, section IV-D), or the
    same with R squared. Without trained models there is no Gain.

    Raises DataError if ``results`` lack a trained model.
    """
    means = {
        each.name: {task: fmean(_per_seed(s)) for task, s in each.evaluation.tasks.items()}
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
    return {each.name: _summary(each, baseline) for each in results}


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


def _summary(results: ModelResults, baseline: Mapping[str, float]) -> Summary:
    evaluation = results.evaluation
    totals = Totals(
        mean_score=rounded(fmean(fmean(_per_seed(task)) for task in evaluation.tasks.values())),
        parameters=evaluation.parameters,
        operations=evaluation.operations,
        seeds=len(evaluation.seeds),
        best_epoch=as_whole(rounded(fmean(run.best_epoch for run in results.runs))),
    )
    return Summary(
        {task: _task(s, baseline.get(task)) for task, s in evaluation.tasks.items()},
        totals,
        {name: _binary(s, None) for name, s in evaluation.funnel.items()},
    )


def _task(
    scores: Scores | RegressionScores, baseline: float | None
) -> TaskSummary | RegressionSummary:
    if isinstance(scores, RegressionScores):
        errors = rounded(fmean(scores.rmse)), rounded(fmean(scores.mae))
        return RegressionSummary(*_score(scores.r2, baseline), *errors)
    return _binary(scores, baseline)


def _binary(scores: Scores, baseline: float | None) -> TaskSummary:
    errors = rounded(fmean(scores.logloss)), rounded(fmean(scores.ece))
    gauc = None if scores.gauc is None else rounded(fmean(scores.gauc))
    return TaskSummary(*_score(scores.auc, baseline), *errors, gauc)


def _score(
    seeds: Sequence[float], baseline: float | None
) -> tuple[float, float | None, float | None]:
    """Mean, standard deviation and Gain over ``baseline``."""
    mean = fmean(seeds)
    std = rounded(stdev(seeds)) if len(seeds) > 1 else None
    return rounded(mean), std, None if baseline is None else rounded(mean - baseline)


def _per_seed(scores: Scores | RegressionScores) -> tuple[float, ...]:
    """The score that models are compared by, one value per seed."""
    return scores.r2 if isinstance(scores, RegressionScores) else scores.auc


def _mean_key(tasks: Mapping[str, Mapping[str, Any]]) -> str:
    return "mean_score" if any("r2" in task for task in tasks.values()) else "mean_auc"


def rounded(value: float) -> float:
    """Round to the decimals of a metrics file."""
    # Sums with another number of threads differ in the last bits. Adding 0 turns -0.0 into 0.0.
    return round(value, DECIMALS) + 0.0


def as_whole(value: float) -> float:
    """Return 12 for 12.0, so that files and tables have no ".0" after a number of epochs."""
    return int(value) if value.is_integer() else value


def _read(path: Path) -> Summary:
    tree: Any = read_tree(path)
    if not isinstance(tree, dict):
        refuse(path, "has unexpected content", type(tree).__name__, "keys and values")
    funnel = tree.pop(FUNNEL) if _is_funnel(tree.get(FUNNEL)) else {}
    tasks = {key: value for key, value in tree.items() if isinstance(value, dict)}
    mean = _mean_key(tasks)
    totals = {
        "mean_score" if key == mean else key: value
        for key, value in tree.items()
        if key not in tasks
    }
    errors: list[str] = []
    parts = {"tasks": tasks, "totals": totals, "funnel": funnel}
    summary: Summary = bind(Summary, parts, "", errors)
    if errors:
        refuse(path, "has unexpected content", "; ".join(errors), None)
    return summary


def _is_funnel(value: object) -> bool:
    """Whether the key "funnel" has scores by name; a task called "funnel" has numbers."""
    return isinstance(value, dict) and all(isinstance(each, dict) for each in value.values())
