"""Contradictions between the recipe, the active models and the tasks."""

import re
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from typing import Any

from emm.automtl.settings import SearchedSettings
from emm.commands.contradictions.known import Known
from emm.config.binding import bind_keywords, raise_all
from emm.config.project import FROM_DATA
from emm.config.signatures import keywords_of
from emm.core.errors import ParamsError, choose
from emm.data.tables.schema import BINARY
from emm.models import MODELS
from emm.training.settings import OptimiserSettings
from emm.training.structures import read_structure


def _no_arguments() -> None:
    """The signature of a rule without hyper-parameters."""


RULES: Mapping[str, Callable[..., Any] | str] = {
    "equal": _no_arguments,
    "fixed": "emm.training.weighting.fixed:Fixed",
    "uncertainty": "emm.training.weighting.uncertainty:Uncertainty",
    "imtl-l": "emm.training.weighting.imtl_l:ImpartialLosses",
    "dwa": "emm.training.weighting.dwa:DynamicWeightAverage",
    "random": "emm.training.weighting.random:RandomWeighting",
    "geometric": _no_arguments,
    "stch": "emm.training.weighting.stch:SmoothTchebycheff",
    "famo": "emm.training.weighting.famo:FAMO",
    "gradnorm": "emm.training.weighting.gradnorm:GradNorm",
    "pcgrad": "emm.training.weighting.pcgrad:PCGrad",
    "cagrad": "emm.training.weighting.cagrad:CAGrad",
    "aligned-mtl": "emm.training.weighting.aligned_mtl:AlignedMTL",
    "gradvac": "emm.training.weighting.gradvac:GradVac",
    "imtl-g": _no_arguments,
    "mgda": _no_arguments,
    "nash-mtl": _no_arguments,
    "upgrad": _no_arguments,
}
"""The classes of the rules of loss weighting, which import torch."""

TORCHJD = ("imtl-g", "mgda", "cagrad", "aligned-mtl", "gradvac", "upgrad")
"""Rules of the package torchjd."""

SEVERAL_GRADIENTS = ("gradnorm", "pcgrad", "nash-mtl", *TORCHJD)
"""Rules that compare the gradients of tasks."""

_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?|mps(:\d+)?|xpu(:\d+)?")
_SHARED = ("embedding_dim", "dense_encoding", "tower")


def model_contradictions(known: Known) -> Iterator[ParamsError]:
    """What the settings of training and of each model contradict."""
    yield from _training(known)
    active = known.active
    for name in active.trained:
        settings, _ = read_structure(known.recipe, name)
        yield from weighting_faults(known, f"pretrain.{name}", settings, 1)
    for name in active.baselines:
        yield from _weighting(known, f"train.{name}", name, len(known.tasks))
        yield from _calibrator(known, f"train.{name}", name)
    for name in active.searched:
        yield from _searched(known, name)
    yield from _gain(known)


def _training(known: Known) -> Iterator[ParamsError]:
    training, where = known.training, f"{known.recipe.path}: training"
    if len(set(training.seeds)) < len(training.seeds):
        yield ParamsError(
            "a seed is listed twice: its results would count twice",
            where=f"{where}.seeds",
            got=list(training.seeds),
            next_step="list each seed once",
        )
    if not _DEVICE.fullmatch(training.device):
        yield ParamsError(
            f"no device is called {training.device!r}",
            where=f"{where}.device",
            expected="auto, cpu, cuda, or one of several GPUs such as cuda:1",
            next_step="write `device: auto`",
        )
    weights: Mapping[str, float] = getattr(training, "positive_weight", {})
    for task in weights:
        if known.kinds.get(task) != BINARY:
            yield ParamsError(
                f"positive_weight names {task!r}, which is no binary task of {known.dataset}",
                where=f"{where}.positive_weight",
                got=f"kind: {known.kinds[task]}" if task in known.kinds else task,
                expected=f"tasks among {', '.join(known.of_kind(BINARY)) or 'none'}",
                next_step="correct the name, or take it out",
            )


def _weighting(known: Known, key: str, model: str, tasks: int) -> Iterator[ParamsError]:
    """The rule of loss weighting of a network of so many tasks."""
    if model not in MODELS:
        return
    settings, _ = known.recipe.read_model(key, MODELS[model], OptimiserSettings, FROM_DATA)
    yield from weighting_faults(known, key, settings, tasks)


def weighting_faults(
    known: Known, key: str, settings: OptimiserSettings, tasks: int
) -> Iterator[ParamsError]:
    """What is wrong with the rule of the section ``key`` of a network of so many tasks."""
    where = f"{known.recipe.path}: {key}.weighting"
    arguments = dict[str, Any](settings.weighting)
    rule = str(arguments.pop("rule", "equal"))
    try:
        choose("weighting rule", rule, RULES, where, "correct the name")
        errors: list[str] = []
        bind_keywords(RULES[rule], arguments, f"{key}.weighting", errors)
        raise_all(errors, str(known.recipe.path))
    except ParamsError as error:
        yield error
        return
    weights = arguments.get("weights", ())
    if rule == "fixed" and len(weights) != tasks:
        yield ParamsError(
            "fixed weights of the tasks' losses don't fit the tasks",
            where=where,
            got=f"{len(weights)} weights",
            expected=f"{tasks}, one per task in the order {', '.join(known.tasks)}",
            next_step="give one weight per task",
        )
    if rule in SEVERAL_GRADIENTS and known.training.optimiser == "lazy-adam":
        yield ParamsError(
            f"the weighting rule {rule} compares whole gradients, which lazy-adam doesn't have",
            where=where,
            got="training.optimiser: lazy-adam",
            expected="adam or adamw",
            next_step="write `optimiser: adamw`, or another rule",
        )
    if rule in TORCHJD and find_spec("torchjd") is None:
        yield ParamsError(
            f"the weighting rule {rule} needs the package torchjd, which isn't installed",
            where=where,
            expected="the extra `torchjd` of this project",
            next_step='pip install -e ".[torchjd]"',
        )


def _calibrator(known: Known, key: str, model: str) -> Iterator[ParamsError]:
    if model in MODELS:
        _, own = known.recipe.read_model(key, MODELS[model], OptimiserSettings, FROM_DATA)
        yield from calibrator_fault(known, key, model, own)


def calibrator_fault(
    known: Known, key: str, model: str, arguments: Mapping[str, Any]
) -> Iterator[ParamsError]:
    """AITM's calibrator compares the steps of a funnel."""
    weight = arguments.get("calibrator_weight")
    if weight and not known.preprocess.funnel:
        yield ParamsError(
            f"the calibrator of {model} compares the steps of a funnel, and {known.dataset} has"
            " none",
            where=f"{known.recipe.path}: {key}.calibrator_weight",
            got=weight,
            expected="0, or no such key",
            next_step=f"take it out; or declare preprocess.funnel in {known.data.path} if every"
            " row with the later step has the earlier one",
        )


def _searched(known: Known, name: str) -> Iterator[ParamsError]:
    """A searched model that starts with the weights of its search has the search's shape."""
    model = MODELS["automtl"]
    settings, own = known.recipe.read_model(
        f"train.{name}", model, SearchedSettings, ("architecture", *FROM_DATA)
    )
    if settings.start != "search":
        return
    search = known.recipe.section(f"search.{name}") or {}
    supernet = keywords_of("emm.automtl.supernet:Supernet")
    for key in _SHARED:
        other = search.get(key, supernet[key][1] if key in supernet else own.get(key))
        if _plain(other) != _plain(own.get(key)):
            yield ParamsError(
                f"{name} starts with the weights of its search, which has another {key}",
                where=f"{known.recipe.path}: train.{name}.{key}",
                got=own.get(key),
                expected=f"{other}, as in search.{name}",
                next_step="make them equal, or write `start: scratch`",
            )


def _gain(known: Known) -> Iterator[ParamsError]:
    """The report's Gain is that over all trained single-task networks."""
    active, file = known.active, known.project.file
    for name in active.trained if active.table else ():
        if name not in active.table:
            yield ParamsError(
                f"the report compares with the trained model {name}, which isn't in its table",
                where=f"{file}: table",
                got=", ".join(active.table),
                expected=f"all of {', '.join(active.trained)}",
                next_step=f"add {name} to `table`, or take it out of `trained`",
            )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
