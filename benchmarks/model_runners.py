"""What the comparison of models asks of each library, and how EMM answers."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from emm.config import load_params
from emm.config.project import split_section
from emm.data.tables.rows import count_batches
from emm.models import model_class
from emm.nn.mlp import count_parameters
from emm.training.compiling import choose_forward
from emm.training.context import TrainingContext, open_context, schedule_of
from emm.training.fit import Schedule, train_epoch, validation_scores
from emm.training.forward import Forward, forward_of
from emm.training.optimisers import Stepper
from emm.training.seeds import order_generator, seed_dropout, seed_init
from emm.training.settings import OptimiserSettings
from emm.training.weighting import Weighting, make_weighting

DATASET, RECIPE = "census-income", "paper"
ESMM = "esmm"
# Census-Income is no funnel: for speed alone the second label stands in for a click, and both
# together for the conversion after it.
_ESMM_SIZES = {"embedding_dim": 4, "tower": [8], "dropout": 0.0}
# The peer's AITM has no calibrator in its loss.
_AS_THE_PEER = {"aitm": {"calibrator_weight": 0.0}}
_ROOT = Path(__file__).resolve().parents[1]

Timed = Callable[[], object]


@dataclass(frozen=True)
class Setting:
    """What both libraries get: rows, a model's sizes, how it is trained, the seed."""

    bench: TrainingContext
    model: str
    arguments: dict[str, Any]
    schedule: Schedule
    seed: int


@dataclass(frozen=True)
class Runner:
    """A fresh model of one library.

    ``train``: an epoch over so many of train's first rows; ``predict``: validation, in batches of
    so many rows. Both make what they need, and give the call that is timed. ``scores``: AUC of
    each task on validation.
    """

    parameters: int
    train: Callable[[int], Timed]
    predict: Callable[[int], Timed]
    scores: Callable[[], list[float]]


def read_setting(model: str, threads: int, seed: int, compile_: str = "never") -> Setting:
    """Processed rows, and the model's section of params.yaml; on the CPU."""
    recipe = load_params(_ROOT / "params.yaml", RECIPE).recipe_of(DATASET)
    training = replace(recipe.training, device="cpu", threads=threads, compile=compile_)
    bench = open_context(_ROOT / "data" / "processed" / DATASET, RECIPE, training)
    if model == ESMM:
        plain = split_section(recipe.train["mmoe"], model_class("mmoe"), model, OptimiserSettings)[
            0
        ]
        arguments = _ESMM_SIZES | {"funnel": (0, 1)}
        schedule = schedule_of(training, plain)
        return Setting(_as_funnel(bench), model, arguments, schedule, seed)
    where = f"{DATASET}.{RECIPE}.train.{model}"
    optimiser, arguments = split_section(
        recipe.train[model], model_class(model), where, OptimiserSettings
    )
    arguments |= _AS_THE_PEER.get(model, {})
    return Setting(bench, model, arguments, schedule_of(training, optimiser), seed)


def _as_funnel(bench: TrainingContext) -> TrainingContext:
    """The same rows with the labels of a click and of a conversion."""
    tables = (rows.in_memory(1, 0) for rows in (bench.train, bench.validation))
    train, validation = (replace(table, labels=_funnel(table.labels)) for table in tables)
    return replace(bench, train=train, validation=validation)


def _funnel(labels: Tensor) -> Tensor:
    return torch.stack([labels[:, 1], labels.prod(dim=1, dtype=labels.dtype)], dim=1)


def emm_model(setting: Setting) -> nn.Module:
    """The model with fresh weights, as the train stage builds it."""
    seed_init(setting.seed, setting.model)
    bench = setting.bench
    architecture: Any = model_class(setting.model)
    model: nn.Module = architecture(bench.inputs, len(bench.schema.tasks), **setting.arguments)
    return model


def emm_stepper(setting: Setting, model: nn.Module) -> tuple[Weighting, Stepper]:
    """What turns the tasks' losses into one gradient, and what takes the step."""
    tasks, schedule = setting.bench.train.labels.shape[1], setting.schedule
    weighting = make_weighting(tasks, **schedule.weighting)
    return weighting, Stepper(model, list(weighting.parameters()), schedule.optimisation, 1)


def emm_forward(setting: Setting, model: nn.Module) -> Forward:
    """The losses of a batch, by compiled steps if the setting says so."""
    schedule = setting.schedule
    return choose_forward(
        forward_of(model),
        schedule.compile,
        batch_size=schedule.batch_size,
        steps=count_batches(len(setting.bench.train), schedule.batch_size),
        device=torch.device("cpu"),
    )


def emm_runner(setting: Setting) -> Runner:
    """The pipeline's own loop (`emm.training.fit`)."""
    train, validation = setting.bench.train, setting.bench.validation
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
        # As `emm.training.fit.predict`, whose batches are of one size.
        model.eval()
        return torch.cat([model(*batch.inputs) for batch in validation.in_order(batch_size)])

    return Runner(
        parameters=count_parameters(model),
        train=train_rows,
        predict=lambda batch_size: lambda: predict(batch_size),
        scores=lambda: list(validation_scores(model, validation)),
    )
