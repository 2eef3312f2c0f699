"""Train, load, evaluate and save models in a program."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, overload

from torch import Tensor, nn

from emm.api.datasets import Dataset
from emm.api.opening import open_model
from emm.config.binding import bind, raise_all
from emm.config.project import FROM_DATA, split_section
from emm.core.errors import ModelFileError, ParamsError, choose
from emm.data.tables.schema import REGRESSION
from emm.evaluation.evaluate import scores_of
from emm.fusion.scored import load_scored, save_scored, with_scores
from emm.metrics.tasks import task_predictions
from emm.models import MODELS, model_class
from emm.nn.bags import attach_bags
from emm.predict.predictor import Predictor
from emm.training.context import schedule_of
from emm.training.epochs import Epoch
from emm.training.fit import fit as fit_network
from emm.training.fit import predict
from emm.training.networks import build_network, fresh_network
from emm.training.settings import OptimiserSettings, TrainingSettings
from emm.training.store import Description, load_model, save_model
from emm.training.structures import SINGLE_TASK, STRUCTURES
from emm.trees.native.load import load_native_trees

NATIVE = "native"
"""Architecture of a model from a file of LightGBM or XGBoost, which can't be saved as a folder."""


@dataclass(frozen=True)
class Model:
    """A trained model.

    Attributes:
        network: dense [B, D], sparse [B, F] -> logits [B, O], in eval mode.
        description: its architecture, arguments, inputs and tasks.
        epochs: those of its training, if it was trained here.
        scores: of a fused model with outside members, their scores by split.
    """

    network: nn.Module
    description: Description
    epochs: tuple[Epoch, ...] = ()
    scores: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that it predicts, in the order of its logits."""
        return self.description.tasks

    def predict(self, dataset: Dataset, split: str = "test") -> Tensor:
        """Logits [N, O] of every row of a split, one column per task, or per class of a task.

        Raises ModelFileError if the model needs scores of outside members for other rows.
        """
        rows = with_scores(self.network, self.scores, split, dataset.split(split))
        return predict(self.network, rows).cpu()

    def save(self, folder: str | Path) -> None:
        """Write model.safetensors and model.json to ``folder``, as the stages do."""
        if self.description.architecture == NATIVE:
            raise ParamsError(
                "a model from a LightGBM or XGBoost file has no folder to be saved in",
                next_step="keep its file, or fuse it and save the fused model",
            )
        save_model(Path(folder), self.network, self.description)
        save_scored(Path(folder), self.scores)


def fit(
    dataset: Dataset,
    model: str = SINGLE_TASK,
    *,
    task: str | None = None,
    seed: int = 0,
    **settings: Any,
) -> Model:
    """Train a network, with early stopping on validation.

    Args:
        dataset: train and validation.
        model: a name of ``emm.MODELS``, such as mmoe.
        task: of a single-task network, which learns on the rows with a label of it.
        seed: of all random draws; the same seed gives the same weights on the same machine.
        settings: arguments of the model's class, of `OptimiserSettings` and of `TrainingSettings`.

    Raises ParamsError, which lists every setting that is wrong.
    """
    choose("model", model, MODELS, "emm.fit", "name one of these")
    _check_task(dataset, model, task)
    context, architecture = dataset.context, model_class(model)
    training, rest = training_settings(settings, seed)
    optimiser, arguments = split_section(
        rest, architecture, "", OptimiserSettings, FROM_DATA, "fit"
    )
    schedule = schedule_of(training, optimiser, context.schema)
    names = (model, *([task] if task else ()))
    if task:
        number = dataset.task_number(task)
        context, schedule = context.task(number), schedule.task(number)
    build = partial(build_network, architecture, arguments)
    network, every_argument = fresh_network(build, context, seed, *names)
    epochs = fit_network(
        network, context.train, context.validation, schedule, seed=seed, names=names
    )
    about = context.describe(model, model, every_argument, seed)
    return Model(network, about, tuple(epochs))


def _check_task(dataset: Dataset, model: str, task: str | None) -> None:
    if (model in STRUCTURES) is (task is None):
        raise ParamsError(
            f"{model} needs {'a task' if task is None else 'no task'}",
            got=f"task={task!r}",
            expected=f"one of {', '.join(dataset.tasks)}" if task is None else "all tasks",
            next_step="pass task=..." if task is None else f"leave it out, or fit {SINGLE_TASK}",
        )


@overload
def load(path: str | Path, dataset: Dataset, *, task: str | None = None) -> Model: ...
@overload
def load(path: str | Path, *, seed: int | None = None) -> Predictor: ...


def load(
    path: str | Path,
    dataset: Dataset | None = None,
    *,
    task: str | None = None,
    seed: int | None = None,
) -> Model | Predictor:
    """Load a trained model.

    Without a dataset, its `Predictor.predict` takes frames of raw rows.

    Args:
        path: a row of the table of params.yaml in the current folder, such as
            ``census-income/tuned/emm``, or an exported folder. With a dataset: a folder that a
            stage or `Model.save` wrote, or a file of LightGBM or XGBoost.
        dataset: the data that it reads, encoded as that on which it was trained.
        task: of a LightGBM or XGBoost model, the task that it predicts.
        seed: of a row of the table; by default the first of its recipe.

    Raises ModelFileError for a file that is damaged, or whose model doesn't read this data.
    """
    if dataset is None:
        return Predictor(open_model(path, seed=seed).model)
    return _load(Path(path), dataset, task)


def _load(path: Path, dataset: Dataset, task: str | None) -> Model:
    context = dataset.context
    if path.is_dir():
        network, about = load_model(path, context.schema_sha256, context.inputs)
        attach_bags(network, context.bags)
        scores = load_scored(path, network)
        return Model(network.to(context.device), about, scores=scores)
    if not path.exists():
        raise ModelFileError(
            f"{path} doesn't exist", where=Path.cwd(), next_step="correct the path"
        )
    if task is None:
        raise ParamsError(
            f"{path} doesn't say which task it predicts",
            expected=f"one of {', '.join(dataset.tasks)}",
            next_step="pass task=...",
        )
    dataset.task_number(task)
    if context.schema.kind(task) == REGRESSION:
        raise ParamsError(
            "trees of LightGBM and XGBoost can't be loaded for a regression task",
            where=path,
            got=f"task={task!r}",
            expected="a binary task, or one of classes",
            next_step="fit a network for it",
        )
    trees = load_native_trees(path, context.inputs, dataset.columns, dataset.outputs_of(task))
    about = replace(context.describe(str(path), NATIVE, {}, 0), tasks=(task,))
    return Model(trees.to(context.device), about)


def evaluate(
    model: Model, dataset: Dataset, *, split: str = "test", bins: int = 15
) -> dict[str, dict[str, float]]:
    """Score a model: AUC, log loss and calibration error of each of its tasks.

    Regression tasks have R squared, RMSE and MAE instead; tasks of classes see
    `emm.metrics.tasks.task_metrics`. A task's scores are those of the rows with its label.
    ``bins``: of the calibration error. Read test once, after every choice has been made on
    validation.
    """
    rows, schema = dataset.split(split), dataset.context.schema
    logits = model.predict(dataset, split)
    outputs, kinds = map(dataset.outputs_of, model.tasks), map(schema.kind, model.tasks)
    of_tasks = task_predictions(logits[None], [*outputs], [*kinds])
    found = {}
    for task, own in zip(model.tasks, of_tasks, strict=True):
        labels = rows.labels[:, dataset.task_number(task)].cpu()
        scores = scores_of(schema, task, own, labels, bins)
        found[task] = {name: values[0] for name, values in scores.items()}
    return found


def training_settings(
    settings: Mapping[str, Any], seed: int
) -> tuple[TrainingSettings, dict[str, Any]]:
    """The settings of training among ``settings``, and the others."""
    names = {each.name for each in fields(TrainingSettings)} - {"seeds"}
    errors: list[str] = []
    own = {name: value for name, value in settings.items() if name in names}
    training: TrainingSettings = bind(TrainingSettings, {**own, "seeds": [seed]}, "", errors)
    raise_all(errors, "fit")
    return training, {name: value for name, value in settings.items() if name not in names}


def names_of(models: Sequence[Model]) -> list[str]:
    """A distinct name for each model: its own, its task, and a number where these repeat."""
    names: list[str] = []
    for model in models:
        name = f"{model.description.name}/{model.tasks[0]}"
        repeats = sum(each.split("#")[0] == name for each in names)
        names.append(f"{name}#{repeats + 1}" if repeats else name)
    return names
