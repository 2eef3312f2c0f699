"""Read the results of one model's evaluation: test scores and training history."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, ClassVar, NoReturn, TypeVar

from pydantic import Field

from emm.config.binding import bind
from emm.core.errors import DataError

NEXT_STEP = "run `dvc repro`; if the file stays as it is, `dvc repro --force evaluate`"

Kind = TypeVar("Kind")
Share = Annotated[float, Field(ge=0, le=1)]
Number = Annotated[int, Field(ge=0)]
NotNegative = Annotated[float, Field(ge=0)]
AtMostOne = Annotated[float, Field(le=1)]


@dataclass(frozen=True)
class Scores:
    """Test scores of a binary task, one value per seed.

    AUC, log loss in nats, expected calibration error, and GAUC if the dataset has a `gauc_key`.
    """

    kind: ClassVar[str] = "binary"
    auc: tuple[Share, ...]
    logloss: tuple[NotNegative, ...]
    ece: tuple[Share, ...]
    gauc: tuple[Share, ...] | None = None


@dataclass(frozen=True)
class ClassScores:
    """Test scores of a task of classes, one value per seed.

    Mean one-vs-rest AUC of the classes, the same weighted by their rows, log loss in nats,
    accuracy, and calibration error of the confidence in the predicted class.
    """

    kind: ClassVar[str] = "classes"
    auc: tuple[Share, ...]
    auc_weighted: tuple[Share, ...]
    logloss: tuple[NotNegative, ...]
    accuracy: tuple[Share, ...]
    ece: tuple[Share, ...]


@dataclass(frozen=True)
class RegressionScores:
    """Test scores of a regression task, one value per seed: R², and RMSE and MAE in label units."""

    kind: ClassVar[str] = "regression"
    r2: tuple[AtMostOne, ...]
    rmse: tuple[NotNegative, ...]
    mae: tuple[NotNegative, ...]


AnyScores = Scores | ClassScores | RegressionScores


@dataclass(frozen=True)
class Evaluation:
    """Content of an evaluation's metrics.json.

    Args:
        funnel: scores of ctr, ctcvr and cvr if the dataset's tasks form a funnel.
    """

    model: str
    seeds: tuple[Annotated[int, Field(ge=0)], ...]
    parameters: Annotated[int, Field(ge=0)]
    operations: Annotated[int, Field(ge=0)]
    tasks: Mapping[str, AnyScores]
    funnel: Mapping[str, Scores] = field(default_factory=dict)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kind of each task: "binary", "classes" or "regression"."""
        return tuple(scores.kind for scores in self.tasks.values())


@dataclass(frozen=True)
class Epoch:
    """One epoch of training (0: before training), or one iteration of boosting.

    Args:
        auc: validation AUC by task that is binary or of classes.
        r2: validation R squared by regression task.
    """

    epoch: Number
    train_loss: float
    auc: Mapping[str, Share]
    r2: Mapping[str, AtMostOne] = field(default_factory=dict)

    @property
    def scores(self) -> Mapping[str, float]:
        """Validation score by task."""
        return {**self.auc, **self.r2}


@dataclass(frozen=True)
class Run:
    """One training with one seed; ``task`` is None if the model learns all tasks."""

    seed: Annotated[int, Field(ge=0)]
    task: str | None
    best_epoch: Number
    epochs: tuple[Epoch, ...]

    def covers(self, task: str) -> bool:
        """Whether ``task`` was learned in this run."""
        return self.task in (None, task)


@dataclass(frozen=True)
class History:
    """Content of an evaluation's history.json."""

    runs: tuple[Run, ...]


@dataclass(frozen=True)
class ModelResults:
    """A model's evaluation folder and its content."""

    name: str
    folder: Path
    evaluation: Evaluation
    runs: tuple[Run, ...]


def read_results(
    name: str, folder: Path, tasks: Sequence[str], kinds: Sequence[str] = ()
) -> ModelResults:
    """Read a model's evaluation folder, without its predictions.

    Args:
        kinds: expected kind of each task; () if all are binary.

    Raises DataError if a file is missing or damaged, or has other tasks, kinds, seeds or lengths
    than expected.
    """
    if not folder.is_dir():
        raise DataError(
            f"{name} has not been evaluated",
            where=folder,
            got="no such folder",
            expected="a folder with metrics.json, history.json and predictions.safetensors",
            next_step="run `dvc repro`, or take the model out of `table` in params.yaml",
        )
    evaluation = read_json(folder / "metrics.json", Evaluation)
    _check_evaluation(name, evaluation, tasks, folder / "metrics.json")
    expected = tuple(kinds) or ("binary",) * len(tasks)
    if evaluation.kinds != expected:
        found, wanted = ", ".join(evaluation.kinds), ", ".join(expected)
        refuse(folder / "metrics.json", "has tasks of other kinds than the dataset", found, wanted)
    history = read_json(folder / "history.json", History)
    _check_history(history.runs, evaluation.seeds, tasks, folder / "history.json")
    return ModelResults(name, folder, evaluation, history.runs)


def read_json(path: Path, kind: type[Kind]) -> Kind:
    """Read a JSON file as dataclass ``kind``; raise DataError if it is missing or doesn't match."""
    tree = read_tree(path)
    errors: list[str] = []
    bound: Kind = bind(kind, tree, "", errors)
    if errors:
        refuse(path, "has unexpected content", "; ".join(errors), None)
    return bound


def read_tree(path: Path, next_step: str = NEXT_STEP) -> Any:
    """Read a JSON file; raise DataError if it is missing, damaged or has NaN or infinity."""
    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=_not_json)
    except FileNotFoundError:
        refuse(path, "is missing", "no such file", None, next_step)
    except (OSError, ValueError) as error:
        refuse(path, "can't be read", error, "JSON without NaN or infinity", next_step)


def refuse(
    path: Path, what: str, got: object, expected: object, next_step: str = NEXT_STEP
) -> NoReturn:
    """Raise a DataError for an unusable file, by default one of an evaluation."""
    raise DataError(
        f"{path.name} {what}", where=path, got=got, expected=expected, next_step=next_step
    )


def _check_evaluation(name: str, evaluation: Evaluation, tasks: Sequence[str], path: Path) -> None:
    if evaluation.model != name:
        refuse(path, "belongs to another model", evaluation.model, name)
    if tuple(evaluation.tasks) != tuple(tasks):
        found, wanted = ", ".join(evaluation.tasks) or "none", ", ".join(tasks)
        refuse(path, "has other tasks than the dataset, or in another order", found, wanted)
    seeds = evaluation.seeds
    if not seeds or len(set(seeds)) < len(seeds):
        refuse(path, "has unusable seeds", list(seeds), "one or more, each once")
    for task, scores in (*evaluation.tasks.items(), *evaluation.funnel.items()):
        values = [getattr(scores, each.name) for each in fields(scores)]
        lengths = {len(value) for value in values if value is not None}
        if lengths != {len(seeds)}:
            expected = f"{len(seeds)}, one value for each seed"
            refuse(path, f"has lists of a wrong length for {task}", sorted(lengths), expected)


def _check_history(
    runs: Sequence[Run], seeds: Sequence[int], tasks: Sequence[str], path: Path
) -> None:
    for run in runs:
        _check_run(run, tasks, path)
    found = sorted((run.seed, task) for run in runs for task in tasks if run.covers(task))
    wanted = sorted((seed, task) for seed in seeds for task in tasks)
    if found != wanted:
        refuse(path, "doesn't have one run for each seed and task", found, wanted)


def _check_run(run: Run, tasks: Sequence[str], path: Path) -> None:
    if run.task is not None and run.task not in tasks:
        refuse(path, "has a run of an unknown task", run.task, ", ".join(tasks))
    if run.best_epoch not in {epoch.epoch for epoch in run.epochs}:
        refuse(path, "has a best epoch that isn't among its epochs", run.best_epoch, None)
    for epoch in run.epochs:
        missing = [task for task in tasks if run.covers(task) and task not in epoch.scores]
        if missing:
            refuse(path, f"lacks a score in epoch {epoch.epoch}", "no " + ", ".join(missing), None)


def _not_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")
