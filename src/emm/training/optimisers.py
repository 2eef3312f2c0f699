"""Optimisation steps: the optimiser, its learning-rate schedule, and averaged weights."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR

from emm.training.average import Average
from emm.training.eager import Adam, AdamW, SparseAdam

LAZY = "lazy-adam"
OPTIMISERS = {"adam": Adam, "adamw": AdamW, LAZY: Adam}
LR_SCHEDULES = ("constant", "one-cycle")


@dataclass(frozen=True)
class Optimisation:
    """How weights are updated.

    ``optimiser``: adam (weight decay as an L2 penalty), adamw (decoupled weight decay), or
    lazy-adam, which updates only those rows of embedding tables that occur in the batch, without
    weight decay, so that the cost of a step doesn't grow with the tables. ``lr_schedule``:
    constant, or one cycle up to ``learning_rate`` and down to nearly zero over all epochs (Smith
    and Topin, 2019). ``ema_decay``: decay per step of an exponential moving average of the weights,
    which is then evaluated and kept; 0 for none.
    """

    learning_rate: float
    weight_decay: float
    optimiser: str = "adam"
    lr_schedule: str = "constant"
    ema_decay: float = 0.0


class Stepper:
    """Updates a model's trainable weights, and the weights in ``others`` without weight decay.

    ``model`` is trained; ``kept``, the model itself or its average, is evaluated and kept.
    """

    def __init__(
        self, model: nn.Module, others: list[nn.Parameter], how: Optimisation, steps: int
    ) -> None:
        self.model = model
        self.weights = [weight for weight in model.parameters() if weight.requires_grad]
        self._updated = [*self.weights, *others]
        lazy = _lazy_tables(model) if how.optimiser == LAZY else []
        lazy_ids = {id(weight) for weight in lazy}
        dense = [weight for weight in self.weights if id(weight) not in lazy_ids]
        groups: list[dict[str, object]] = [{"params": dense}] if dense else []
        if others:
            groups.append({"params": others, "weight_decay": 0.0})
        self._optimisers: list[torch.optim.Optimizer] = []
        if groups or not lazy:
            kind = OPTIMISERS[how.optimiser]
            self._optimisers.append(
                kind(groups, lr=how.learning_rate, weight_decay=how.weight_decay, fused=True)
            )
        if lazy:
            self._optimisers.append(SparseAdam(lazy, lr=how.learning_rate))
        self._schedulers = [_scheduler(each, how, steps) for each in self._optimisers]
        self._average = Average(model, how.ema_decay) if how.ema_decay else None

    @property
    def kept(self) -> nn.Module:
        return self.model if self._average is None else self._average.model

    def zero_grad(self) -> None:
        for weight in self._updated:
            weight.grad = None

    def step(self) -> None:
        """Update the weights by their gradients."""
        for optimiser, scheduler in zip(self._optimisers, self._schedulers, strict=True):
            optimiser.step()
            if scheduler is not None:
                scheduler.step()
        if self._average is not None:
            self._average.update()

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What the next steps depend on besides the weights: tensors, and plain JSON."""
        found = [optimiser.state_dict() for optimiser in self._optimisers]
        tensors = {
            f"{place}.{number}.{name}": torch.as_tensor(value)
            for place, each in enumerate(found)
            for number, own in each["state"].items()
            for name, value in own.items()
        }
        about: dict[str, Any] = {
            "groups": [each["param_groups"] for each in found],
            "schedulers": [each and each.state_dict() for each in self._schedulers],
        }
        if self._average is not None:
            average = self._average.model.state_dict()
            tensors |= {f"average.{name}": value for name, value in average.items()}
            about["first"] = self._average.first
        return tensors, about

    def load(self, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        average = dict[str, Tensor]()
        states: list[dict[int, dict[str, Any]]] = [defaultdict(dict) for _ in self._optimisers]
        for name, value in tensors.items():
            place, _, own = name.partition(".")
            if place == "average":
                average[own] = value
            else:
                number, _, part = own.partition(".")
                # SparseAdam counts its steps in a Python int.
                states[int(place)][int(number)][part] = (
                    value if value.dtype.is_floating_point else int(value)
                )
        for optimiser, state, groups in zip(self._optimisers, states, about["groups"], strict=True):
            own_groups = [{**group, "betas": tuple(group["betas"])} for group in groups]
            optimiser.load_state_dict({"state": dict(state), "param_groups": own_groups})
        for scheduler, saved in zip(self._schedulers, about["schedulers"], strict=True):
            if scheduler is not None:
                scheduler.load_state_dict(saved)
        if self._average is not None:
            self._average.model.load_state_dict(average)
            self._average.first = about["first"]


def _scheduler(
    optimiser: torch.optim.Optimizer, how: Optimisation, steps: int
) -> LRScheduler | None:
    if how.lr_schedule == "constant":
        return None
    return OneCycleLR(optimiser, max_lr=how.learning_rate, total_steps=steps)


def _lazy_tables(model: nn.Module) -> list[nn.Parameter]:
    """The trainable embedding tables, switched to gradients of only the batch's rows.

    These are the modules with an attribute ``lazy``.
    """
    tables = []
    for module in model.modules():
        weight = getattr(module, "weight", None)
        if hasattr(module, "lazy") and isinstance(weight, nn.Parameter) and weight.requires_grad:
            module.lazy = True  # type: ignore[assignment]
            tables.append(weight)
    return tables
