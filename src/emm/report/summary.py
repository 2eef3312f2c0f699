"""metrics/<dataset>/<recipe>/<model>.json: scalars only, the same keys for every model.

A value that doesn't exist (the deviation over one seed, say) is null: `dvc metrics show` prints
"-" for it and leaves out a column of nothing else, and `dvc metrics diff` shows when it appears.
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
    """A binary task's means over seeds on the test split; ``auc_std`` over seeds, ``auc_gain`` over
    the trained; ``gauc`` where there is a key, and else in no file."""

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
        """Mean, deviation over seeds and Gain."""
        return self.auc, self.auc_std, self.auc_gain

    @property
    def errors(self) -> Mapping[str, float]:
        """What else is measured, by its printed name; lower is better."""
        return {"log loss": self.logloss, "ECE": self.ece}


@dataclass(frozen=True)
class RegressionSummary:
    """A regression task's, likewise; ``rmse`` and ``mae`` in the label's own units."""

    measure: ClassVar[str] = "R²"
    key: ClassVar[str] = "r2"
    r2: float
    r2_std: float | None
    r2_gain: float | None
    rmse: float
    mae: float

    @property
    def score(self) -> tuple[float, float | None, float | None]:
        """Mean, deviation over seeds and Gain."""
        return self.r2, self.r2_std, self.r2_gain

    @property
    def errors(self) -> Mapping[str, float]:
        """What else is measured, by its printed name; lower is better."""
        return {"RMSE": self.rmse, "MAE": self.mae}


@dataclass(frozen=True)
class Totals:
    """What a model has once; ``seeds`` is their number, ``best_epoch`` a mean over its runs.

    ``mean_score``: mean over tasks of the AUC, or R squared of a regression task; it is called
    ``mean_auc`` in the file where all tasks are binary. ``operations``: multiplications and
    additions of matrix products for one row's prediction.
    """

    mean_score: float
    parameters: int
    operations: int
    seeds: int
    best_epoch: float


@dataclass(frozen=True)
class Summary:
    """All that a metrics file says about one model; ``funnel``: by ctr, ctcvr and cvr, without a
    Gain, where the tasks are one."""

    tasks: Mapping[str, TaskSummary | RegressionSummary]
    totals: Totals
    funnel: Mapping[str, TaskSummary] = field(default_factory=dict)

    def flat(self) -> dict[str, Any]:
        """As the metrics file holds it."""
        tree = asdict(self)
        for scores in (*tree["tasks"].values(), *tree["funnel"].values()):
            if scores.get("gauc", 0.0) is None:
                del scores["gauc"]
        totals = {_mean_key(tree["tasks"]): tree["totals"].pop("mean_score"), **tree["totals"]}
        funnel = {FUNNEL: tree["funnel"]} if self.funnel else {}
        return {**tree["tasks"], **funnel, **totals}


def summarise(rows: Sequence[ModelResults], trained: Sequence[str]) -> dict[str, Summary]:
    """Summaries by model, in the order of ``rows``.

    Gain = AUC - mean AUC of the ``trained`` models on that task (EMM paper, section IV-D), or so
    with R squared; there is none without trained models. Raises DataError if a trained model has
    no row.
    """
    means = {
        row.name: {task: fmean(_of_seeds(s)) for task, s in row.evaluation.tasks.items()}
        for row in rows
    }
    missing = [name for name in trained if name not in means]
    if missing:
        raise DataError(
            f"the Gain needs the trained model {missing[0]}, which has no row",
            got=f"the rows {', '.join(means)}",
            expected=", ".join(trained),
            next_step=f"add {missing[0]} to `table` in params.yaml, or take it out of `trained`",
        )
    tasks = rows[0].evaluation.tasks if rows else {}
    bars = {task: fmean(means[name][task] for name in trained) for task in tasks if trained}
    return {row.name: _summary(row, bars) for row in rows}


def write_metrics(folder: Path, summaries: Mapping[str, Summary]) -> None:
    """Write one <model>.json for each summary; whatever else the folder held is gone."""
    with atomic_folder(folder) as temporary:
        for name, summary in summaries.items():
            write_json(temporary / f"{name}.json", summary.flat())


def read_metrics(folder: Path, models: Sequence[str]) -> dict[str, Summary]:
    """Read the named models' metrics files; DataError if one is absent or misfits the others."""
    summaries = {model: _read(folder / f"{model}.json") for model in models}
    tasks = [tuple(summary.tasks) for summary in summaries.values()]
    for model, found in zip(models, tasks, strict=True):
        if found != tasks[0]:
            expected = f"{', '.join(tasks[0])}, as in {models[0]}.json"
            refuse(folder / f"{model}.json", "has other tasks", ", ".join(found), expected)
    return summaries


def _summary(row: ModelResults, bars: Mapping[str, float]) -> Summary:
    scores = row.evaluation.tasks
    totals = Totals(
        mean_score=rounded(fmean(fmean(_of_seeds(task)) for task in scores.values())),
        parameters=row.evaluation.parameters,
        operations=row.evaluation.operations,
        seeds=len(row.evaluation.seeds),
        best_epoch=whole(rounded(fmean(run.best_epoch for run in row.runs))),
    )
    return Summary(
        {task: _task(s, bars.get(task)) for task, s in scores.items()},
        totals,
        {name: _binary(s, None) for name, s in row.evaluation.funnel.items()},
    )


def _task(scores: Scores | RegressionScores, bar: float | None) -> TaskSummary | RegressionSummary:
    if isinstance(scores, RegressionScores):
        errors = rounded(fmean(scores.rmse)), rounded(fmean(scores.mae))
        return RegressionSummary(*_score(scores.r2, bar), *errors)
    return _binary(scores, bar)


def _binary(scores: Scores, bar: float | None) -> TaskSummary:
    errors = rounded(fmean(scores.logloss)), rounded(fmean(scores.ece))
    gauc = None if scores.gauc is None else rounded(fmean(scores.gauc))
    return TaskSummary(*_score(scores.auc, bar), *errors, gauc)


def _score(seeds: Sequence[float], bar: float | None) -> tuple[float, float | None, float | None]:
    """Mean, deviation over seeds and Gain over ``bar``."""
    mean = fmean(seeds)
    std = rounded(stdev(seeds)) if len(seeds) > 1 else None
    return rounded(mean), std, None if bar is None else rounded(mean - bar)


def _of_seeds(scores: Scores | RegressionScores) -> tuple[float, ...]:
    """What rows are compared by, one value per seed."""
    return scores.r2 if isinstance(scores, RegressionScores) else scores.auc


def _mean_key(tasks: Mapping[str, Mapping[str, Any]]) -> str:
    return "mean_score" if any("r2" in task for task in tasks.values()) else "mean_auc"


def rounded(value: float) -> float:
    """A number as metrics files hold it."""
    # Sums on other numbers of threads differ in the last bits; adding 0 turns -0.0 into 0.0.
    return round(value, DECIMALS) + 0.0


def whole(value: float) -> float:
    """12 instead of 12.0, as people write the number of an epoch."""
    return int(value) if value.is_integer() else value


def _read(path: Path) -> Summary:
    tree: Any = read_tree(path)
    if not isinstance(tree, dict):
        refuse(path, "doesn't hold what it should", type(tree).__name__, "keys and values")
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
        refuse(path, "doesn't hold what it should", "; ".join(errors), None)
    return summary


def _is_funnel(value: object) -> bool:
    """Whether it holds scores by name, as a task of that name doesn't."""
    return isinstance(value, dict) and all(isinstance(each, dict) for each in value.values())
