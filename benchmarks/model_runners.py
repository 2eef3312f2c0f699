"""The interface to the libraries that are compared, and EMM's implementation of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from emm.config.project import FROM_DATA, load_project
from emm.data.tables.rows import count_batches
from emm.models import model_class
from emm.nn.mlp import count_parameters
from emm.training.compiling import choose_forward
from emm.training.context import TrainingContext, open_context, schedule_of
from emm.training.fit import Schedule, train_epoch, validation_scores
from emm.training.forward import Forward, forward_of
from emm.training.optimisers import Stepper
from emm.training.seeds import order_generator, seed_dropout, seed_init
from emm.training.settings import OptimiserSettings, TrainingSettings
from emm.training.weighting import Weighting, make_weighting

DATASET, RECIPE = "census-income", "paper"
ESMM = "esmm"
# Census-Income is not a funnel. To measure the speed, the second label stands in for the click, and
# both labels together for the conversion.
_ESMM_SIZES = {"embedding_dim": 4, "tower": [8], "dropout": 0.0}
_ROOT = Path(__file__).resolve().parents[1]

Timed = Callable[[], object]


@dataclass(frozen=True)
class Setting:
    """The input of both libraries: rows, the sizes of a model, its training schedule, the seed."""

    context: TrainingContext
    model: str
    arguments: dict[str, Any]
    schedule: Schedule
    seed: int


@dataclass(frozen=True)
class Runner:
    """A fresh model of one library.

    ``train`` and ``predict`` prepare what they need and return the call to be timed.

    Attributes:
        parameters: number of parameters.
        train: prepares an epoch over the given number of first rows of train.
        predict: prepares the prediction of validation in batches of the given size.
        scores: AUC of each task on validation.
    """

    parameters: int
    train: Callable[[int], Timed]
    predict: Callable[[int], Timed]
    scores: Callable[[], list[float]]


def read_setting(model: str, threads: int, seed: int, compile_: str = "never") -> Setting:
    """The processed rows, and the model's section of the paper recipe; on the CPU."""
    project = load_project(_ROOT / "params.yaml", RECIPE)
    recipe = project.recipe(DATASET)
    training = recipe.read("training", TrainingSettings)
    training = replace(training, device="cpu", threads=threads, compile=compile_)
    context = open_context(project.paths(DATASET).processed, RECIPE, training)
    section = "mmoe" if model == ESMM else model  # the recipe has no section for ESMM
    optimiser, arguments = recipe.read_model(
        f"train.{section}", model_class(section), OptimiserSettings, FROM_DATA
    )
    if model == ESMM:
        context, arguments = _as_funnel(context), _ESMM_SIZES | {"funnel": (0, 1)}
    return Setting(
        context, model, arguments, schedule_of(training, optimiser, context.schema), seed
    )


def _as_funnel(context: TrainingContext) -> TrainingContext:
    """The same rows with labels of a click and a conversion."""
    splits = (rows.in_memory(1, 0) for rows in (context.train, context.validation))
    train, validation = (replace(rows, labels=_funnel_labels(rows.labels)) for rows in splits)
    return replace(context, train=train, validation=validation)


def _funnel_labels(labels: Tensor) -> Tensor:
    return torch.stack([labels[:, 1], labels.prod(dim=1, dtype=labels.dtype)], dim=1)


def emm_model(setting: Setting) -> nn.Module:
    """The model with fresh weights, as the train stage builds it."""
    seed_init(setting.seed, setting.model)
    context = setting.context
    architecture: Any = model_class(setting.model)
    model: nn.Module = architecture(context.inputs, len(context.schema.tasks), **setting.arguments)
    return model


def emm_stepper(setting: Setting, model: nn.Module) -> tuple[Weighting, Stepper]:
    """The weighting of the tasks' losses, and the optimiser's stepper."""
    tasks, schedule = setting.context.train.labels.shape[1], setting.schedule
    weighting = make_weighting(tasks, **schedule.weighting)
    return weighting, Stepper(model, list(weighting.parameters()), schedule.optimisation, 1)


def emm_forward(setting: Setting, model: nn.Module) -> Forward:
    """The forward pass of a training step, compiled if the schedule says so."""
    schedule = setting.schedule
    return choose_forward(
        forward_of(model),
        schedule.compile,
        batch_size=schedule.batch_size,
        steps=count_batches(len(setting.context.train), schedule.batch_size),
        device=torch.device("cpu"),
    )


def emm_runner(setting: Setting) -> Runner:
    """A runner with the pipeline's own training loop (`emm.training.fit`)."""
    train, validation = setting.context.train, setting.context.validation
    model = emm_model(setting)
    weighting, stepper = emm_stepper(setting, model)
    order = order_generator(setting.seed, torch.device("cpu"), setting.model)
    seed_dropout(setting.seed, setting.model)
    forward = emm_forward(setting, model)

    def train_rows(count: int) -> Timed:
        rows = train.part(0, count)
        batch_size = setting.schedule.batch_size
        return lambda: train_epoch(
            model, rows, rows.shuffled(batch_size, order), weighting, stepper, forward
        )

    @torch.inference_mode()
    def predict(batch_size: int) -> Tensor:
        # Like `emm.training.fit.predict`, which has a fixed batch size.
        model.eval()
        return torch.cat([model(*batch.inputs) for batch in validation.in_order(batch_size)])

    return Runner(
        parameters=count_parameters(model),
        train=train_rows,
        predict=lambda batch_size: lambda: predict(batch_size),
        scores=lambda: list(validation_scores(model, validation)),
    )
