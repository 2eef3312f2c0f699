"""Several models of one shape trained at once: their weights stacked, one pass for all of them.

What one model computes, all do in the same kernels: on a GPU, where a small model's step is mostly
waiting, several cost little more than one. Each has its own first weights, its own order of
batches and its own best epoch; the results are those of training them one after another, but for
the order of sums within a product of matrices.

Shapes: M models.
"""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from emm.core.progress import Report
from emm.data.tables.batches import Rows, RowTensors, count_batches
from emm.nn.losses import of_binary_tasks, task_losses
from emm.training.epochs import Epoch, best_epoch
from emm.training.fit import Schedule, mean_loss, validation_scores
from emm.training.optimisers import LAZY, Stepper
from emm.training.resume import copy_of
from emm.training.seeds import order_generator
from emm.training.weighting import Weighting, make_weighting

_RULES = ("equal", "fixed")  # the weighting rules without a state of their own


@dataclass
class Member:
    """One of the models that train at once: see the arguments of `emm.training.fit.fit`."""

    model: nn.Module
    train: Rows
    validation: Rows
    seed: int
    names: tuple[object, ...]


def obstacle(members: Sequence[Member], schedule: Schedule) -> str | None:
    """Why these can't train at once; None if they can."""
    first = members[0]
    how = schedule.optimisation
    modules = [module for member in members for module in member.model.modules()]
    tables = [member.train for member in members]
    reasons = {
        "their data is streamed": not all(isinstance(table, RowTensors) for table in tables),
        "they learn on different numbers of rows": len({len(table) for table in tables}) > 1,
        "they are of different shapes": len({_shape(member.model) for member in members}) > 1,
        "dropout draws from one stream": any(
            isinstance(module, nn.Dropout) and module.p > 0 for module in modules
        ),
        "bags differ in length": any(hasattr(module, "store") for module in modules),
        "their loss needs labels": hasattr(first.model, "logits_and_penalty"),
        "their weights are averaged": how.ema_decay > 0,
        f"the optimiser is {LAZY}": how.optimiser == LAZY,
        "the weighting rule learns": schedule.weighting["rule"] not in _RULES,
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def fit_vectorised(
    members: Sequence[Member], schedule: Schedule, report: Report | None = None
) -> list[list[Epoch]]:
    """Train all ``members``, each as `emm.training.fit.fit` would; gives the epochs of each.

    None of them may have an `obstacle`. A model that has stopped early stays in the pass, without
    effect, until the last one stops. Raises DataError when a loss is no longer a number.
    """
    stack = _Stack(members, schedule)
    best = [copy_of(member.model) for member in members]
    histories: list[list[Epoch]] = [[] for _ in members]
    open_ = set(range(len(members)))
    for number in range(1, schedule.max_epochs + 1):
        means = stack.epoch(schedule.batch_size)
        stack.unstack()
        for place in sorted(open_):
            member, history = members[place], histories[place]
            scores = validation_scores(member.model, member.validation)
            history.append(Epoch(number, mean_loss(means[place]), scores))
            if best_epoch(history) == number:
                best[place] = copy_of(member.model)
            if number - best_epoch(history) >= schedule.patience:
                open_.remove(place)
        if report:
            report(number, f"{len(open_)} of {len(members)} models go on")
        if not open_:
            break
    for member, weights in zip(members, best, strict=True):
        member.model.load_state_dict(weights)
        member.model.eval()
    return histories


class _Stack:
    """The members' weights and buffers, stacked, and what moves them."""

    def __init__(self, members: Sequence[Member], schedule: Schedule) -> None:
        self.members = members
        models = [member.model for member in members]
        self.base = deepcopy(models[0])
        weights, self.buffers = stack_module_state(models)
        self.holder = nn.ParameterDict({_key(name): value for name, value in weights.items()})
        self.weights = {name: self.holder[_key(name)] for name in weights}
        first = members[0].train
        device = first.labels.device
        self.weighting: Weighting = make_weighting(first.labels.shape[1], **schedule.weighting)
        self.weighting.to(device)
        steps = schedule.max_epochs * count_batches(len(first), schedule.batch_size)
        self.stepper = Stepper(self.holder, [], schedule.optimisation, steps)
        self.orders = [order_generator(member.seed, device, *member.names) for member in members]

    def epoch(self, batch_size: int) -> Tensor:
        """One pass; the members' mean losses per row and task [M, T]."""
        self.base.train()
        total = torch.zeros((), dtype=torch.float64)
        for batches in self._batches(batch_size):
            dense, sparse, labels = (
                torch.stack([getattr(batch, name) for batch in batches])
                for name in ("dense", "sparse", "labels")
            )
            weights = [batch.weights for batch in batches if batch.weights is not None]
            every = (self.weights, self.buffers, dense, sparse, labels.float())
            if weights:
                losses, follow = vmap(self._losses)(*every, torch.stack(weights))
            else:
                losses, follow = vmap(self._losses)(*every)  # [M, T], [M]
            self.stepper.zero_grad()
            # No weight is two members': the sum's gradient is each one's own.
            follow.sum().backward()  # type: ignore[no-untyped-call]
            self.stepper.step()
            total = total.to(losses.device) + losses.detach() * len(batches[0])
        return total / len(self.members[0].train)

    def unstack(self) -> None:
        """Give every member its weights and buffers as they are now."""
        with torch.no_grad():
            for place, member in enumerate(self.members):
                own = member.model.state_dict()
                for name, value in (*self.weights.items(), *self.buffers.items()):
                    if name in own:
                        own[name].copy_(value[place])

    def _batches(self, batch_size: int) -> Iterator[tuple[RowTensors, ...]]:
        pairs = zip(self.members, self.orders, strict=True)
        return zip(
            *(member.train.shuffled(batch_size, order) for member, order in pairs), strict=True
        )

    def _losses(
        self,
        weights: dict[str, Tensor],
        buffers: dict[str, Tensor],
        dense: Tensor,
        sparse: Tensor,
        labels: Tensor,
        row_weights: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Of one member: the tasks' losses [T], and the scalar that it follows."""
        kinds = self.members[0].train.kinds
        logits: Tensor = functional_call(self.base, (weights, buffers), (dense, sparse))
        losses = task_losses(logits, labels, row_weights, kinds)
        follow = self.weighting.combine(losses)
        penalty = getattr(self.base, "penalty", None)
        if penalty:
            follow = follow + penalty(of_binary_tasks(logits, kinds))
        return losses, follow


def _key(name: str) -> str:
    return name.replace(".", "/")


def _shape(model: nn.Module) -> tuple[object, ...]:
    return (type(model), *((name, value.shape) for name, value in model.state_dict().items()))
