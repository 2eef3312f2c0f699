"""From gradients to weights: the optimiser, its learning rate's course, averaged weights."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR

from emm.training.average import Average

LAZY = "lazy-adam"
OPTIMISERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, LAZY: torch.optim.Adam}
LR_SCHEDULES = ("constant", "one-cycle")


@dataclass(frozen=True)
class Optimisation:
    """How weights move: ``optimiser`` adam (weight decay as an L2 penalty), adamw (decoupled), or
    lazy-adam: of embedding tables, the rows of a batch alone, with their moments, and without
    weight decay; a step then costs what the batch does, and not what the tables do.

    ``lr_schedule`` of the learning rate: constant, or one cycle up to ``learning_rate`` and down to
    nearly zero over all epochs (Smith and Topin, 2019); ``ema_decay``: decay per step of an
    exponential moving average of the weights, which is then what is evaluated and kept; 0: none."""

    learning_rate: float
    weight_decay: float
    optimiser: str = "adam"
    lr_schedule: str = "constant"
    ema_decay: float = 0.0


class Stepper:
    """Moves a model's trainable weights, and those in ``others`` without weight decay.

    ``model`` is what trains, ``kept`` what is evaluated and kept: the same, or its average.
    """

    def __init__(
        self, model: nn.Module, others: list[nn.Parameter], how: Optimisation, steps: int
    ) -> None:
        self.model = model
        self.weights = [weight for weight in model.parameters() if weight.requires_grad]
        self._moved = [*self.weights, *others]
        lazy = _lazy_tables(model) if how.optimiser == LAZY else []
        by_row = {id(weight) for weight in lazy}
        every = [weight for weight in self.weights if id(weight) not in by_row]
        groups: list[dict[str, object]] = [{"params": every}] if every else []
        if others:
            groups.append({"params": others, "weight_decay": 0.0})
        self._optimisers: list[torch.optim.Optimizer] = []
        if groups or not lazy:
            kind = OPTIMISERS[how.optimiser]
            own = kind(groups, lr=how.learning_rate, weight_decay=how.weight_decay, fused=True)
            self._optimisers.append(own)
        if lazy:
            self._optimisers.append(torch.optim.SparseAdam(lazy, lr=how.learning_rate))
        self._courses = [_course(each, how, steps) for each in self._optimisers]
        self._average = Average(model, how.ema_decay) if how.ema_decay else None

    @property
    def kept(self) -> nn.Module:
        return self.model if self._average is None else self._average.model

    def zero_grad(self) -> None:
        for weight in self._moved:
            weight.grad = None

    def step(self) -> None:
        """One step along the gradients at hand."""
        for optimiser, course in zip(self._optimisers, self._courses, strict=True):
            optimiser.step()
            if course is not None:
                course.step()
        if self._average is not None:
            self._average.update()

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What its next steps depend on beside the weights: tensors, and plain JSON."""
        found = [optimiser.state_dict() for optimiser in self._optimisers]
        tensors = {
            f"{place}.{number}.{name}": torch.as_tensor(value)
            for place, each in enumerate(found)
            for number, own in each["state"].items()
            for name, value in own.items()
        }
        courses = [None if each is None else each.state_dict() for each in self._courses]
        about: dict[str, Any] = {
            "groups": [each["param_groups"] for each in found],
            "courses": courses,
        }
        if self._average is not None:
            average = self._average.model.state_dict()
            tensors |= {f"average.{name}": value for name, value in average.items()}
            about["first"] = self._average.first
        return tensors, about

    def load(self, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        average = dict[str, Tensor]()
        states: list[dict[int, dict[str, Any]]] = [defaultdict(dict) for _ in self._optimisers]
        for name, value in tensors.items():
            place, _, own = name.partition(".")
            if place == "average":
                average[own] = value
            else:
                number, _, part = own.partition(".")
                # The lazy rule counts its steps in a plain number.
                states[int(place)][int(number)][part] = (
                    value if value.dtype.is_floating_point else int(value)
                )
        for optimiser, state, groups in zip(self._optimisers, states, about["groups"], strict=True):
            own_groups = [{**group, "betas": tuple(group["betas"])} for group in groups]
            optimiser.load_state_dict({"state": dict(state), "param_groups": own_groups})
        for course, saved in zip(self._courses, about["courses"], strict=True):
            if course is not None:
                course.load_state_dict(saved)
        if self._average is not None:
            self._average.model.load_state_dict(average)
            self._average.first = about["first"]


def _course(optimiser: torch.optim.Optimizer, how: Optimisation, steps: int) -> LRScheduler | None:
    if how.lr_schedule == "constant":
        return None
    return OneCycleLR(optimiser, max_lr=how.learning_rate, total_steps=steps)


def _lazy_tables(model: nn.Module) -> list[nn.Parameter]:
    """The trainable embedding tables, told to give the gradient of a batch's rows alone.

    They are the modules that have the switch ``lazy``.
    """
    tables = []
    for module in model.modules():
        weight = getattr(module, "weight", None)
        if hasattr(module, "lazy") and isinstance(weight, nn.Parameter) and weight.requires_grad:
            module.lazy = True  # type: ignore[assignment]
            tables.append(weight)
    return tables
