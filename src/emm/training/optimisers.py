"""From gradients to weights: the optimiser, its learning rate's course, averaged weights."""

from collections import defaultdict
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR
from torch.optim.swa_utils import get_ema_multi_avg_fn

OPTIMISERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
COURSES = ("constant", "one-cycle")


@dataclass(frozen=True)
class Optimisation:
    """How weights move: ``optimiser`` adam (weight decay as an L2 penalty) or adamw (decoupled);
    ``course`` of the learning rate: constant, or one cycle up to ``learning_rate`` and down to
    nearly zero over all epochs (Smith and Topin, 2019); ``average``: decay per step of an
    exponential moving average of the weights, which is then what is evaluated and kept; 0: none."""

    learning_rate: float
    weight_decay: float
    optimiser: str = "adam"
    course: str = "constant"
    average: float = 0.0


class Stepper:
    """Moves a model's trainable weights, and those in ``others`` without weight decay.

    ``model`` is what trains, ``kept`` what is evaluated and kept: the same, or its average.
    """

    def __init__(
        self, model: nn.Module, others: list[nn.Parameter], how: Optimisation, steps: int
    ) -> None:
        self.model = model
        self.weights = [weight for weight in model.parameters() if weight.requires_grad]
        groups: list[dict[str, object]] = [{"params": self.weights}]
        if others:
            groups.append({"params": others, "weight_decay": 0.0})
        self._optimiser = OPTIMISERS[how.optimiser](
            groups, lr=how.learning_rate, weight_decay=how.weight_decay, fused=True
        )
        self._course = _course(self._optimiser, how, steps)
        self._average = _Average(model, how.average) if how.average else None

    @property
    def kept(self) -> nn.Module:
        return self.model if self._average is None else self._average.model

    def zero_grad(self) -> None:
        self._optimiser.zero_grad(set_to_none=True)

    def step(self) -> None:
        """One step along the gradients at hand."""
        self._optimiser.step()
        if self._course is not None:
            self._course.step()
        if self._average is not None:
            self._average.update()

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What its next steps depend on beside the weights: tensors, and plain JSON."""
        found = self._optimiser.state_dict()
        tensors = {
            f"{number}.{name}": value
            for number, own in found["state"].items()
            for name, value in own.items()
        }
        about = {
            "groups": found["param_groups"],
            "course": None if self._course is None else self._course.state_dict(),
        }
        if self._average is not None:
            average = self._average.model.state_dict()
            tensors |= {f"average.{name}": value for name, value in average.items()}
            about["first"] = self._average.first
        return tensors, about

    def load(self, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        average, state = dict[str, Tensor](), defaultdict[int, dict[str, Tensor]](dict)
        for name, value in tensors.items():
            number, _, own = name.partition(".")
            if number == "average":
                average[own] = value
            else:
                state[int(number)][own] = value
        groups = [{**group, "betas": tuple(group["betas"])} for group in about["groups"]]
        self._optimiser.load_state_dict({"state": dict(state), "param_groups": groups})
        if self._course is not None:
            self._course.load_state_dict(about["course"])
        if self._average is not None:
            self._average.model.load_state_dict(average)
            self._average.first = about["first"]


def _course(optimiser: torch.optim.Optimizer, how: Optimisation, steps: int) -> LRScheduler | None:
    if how.course == "constant":
        return None
    return OneCycleLR(optimiser, max_lr=how.learning_rate, total_steps=steps)


class _Average:
    """An exponential moving average of a model, which begins with the weights of its first step."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = deepcopy(model)
        self._averages, self._values = _moving(self.model), _moving(model)
        self.first = True
        self._update = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def update(self) -> None:
        """Take the model's tensors as they are now into the average."""
        if self.first:
            for average, value in zip(self._averages, self._values, strict=True):
                average.copy_(value)
        else:
            self._update(self._averages, self._values, None)
        self.first = False


def _moving(model: nn.Module) -> list[Tensor]:
    """The weights that learn, and statistics.

    What else a model holds stays as it is: the whole numbers of trees and the infinite bounds of
    bins don't survive a mean, even with themselves.
    """
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    buffers = [each for each in model.buffers() if each.is_floating_point()]
    return [*weights, *(each for each in buffers if bool(each.isfinite().all()))]
