"""Training of several models of one shape in one pass, with stacked weights.

The same kernels compute what all models compute: on a GPU, where the steps of a small model mostly
wait, several models cost little more than one. Each has its own first weights, its own order of
batches and its own best epoch. The results are those of training one model after another, but for
the order of sums within matrix products.

Shapes: M models.
"""

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from emm.core.progress import progress
from emm.data.tables.rows import Rows, RowTensors, count_batches
from emm.nn.losses import labelled_rows, task_losses
from emm.training.distributed import single_process
from emm.training.epochs import Epoch, best_epoch, say_best
from emm.training.fit import Schedule, mean_loss, validation_scores
from emm.training.labels import rows_per_task, rows_to_learn
from emm.training.optimisers import LAZY, Stepper
from emm.training.resume import copy_of
from emm.training.seeds import order_generator
from emm.training.trace import StepLosses, with_trace
from emm.training.weighting import Weighting, make_weighting

_RULES = ("equal", "fixed")


@dataclass
class StackedModel:
    """One of the models that train in one pass; for the fields see `emm.training.fit.fit`."""

    model: nn.Module
    train: Rows
    validation: Rows
    seed: int
    names: tuple[object, ...]


def obstacle(models: Sequence[StackedModel], schedule: Schedule) -> str | None:
    """Why these models can't train in one pass; None if they can."""
    first = models[0].model
    how = schedule.optimisation
    modules = [module for each in models for module in each.model.modules()]
    rows = [each.train for each in models]
    reasons = {
        "their data is streamed": not all(isinstance(each, RowTensors) for each in rows),
        "they learn on different numbers of rows": len({len(each) for each in rows}) > 1,
        "their tasks differ": len({_labels_of(each) for each in rows}) > 1,
        "several processes share their batches": not single_process(),
        "they have different shapes": len({_shape(each.model) for each in models}) > 1,
        "they use dropout": any(isinstance(each, nn.Dropout) and each.p > 0 for each in modules),
        "their bags differ in length": any(hasattr(each, "store") for each in modules),
        "they learn from a teacher": any(each.soft_targets is not None for each in rows),
        "their loss needs labels": hasattr(first, "logits_and_penalty"),
        "their weights are averaged": how.ema_decay > 0,
        "a loss chooses the best epoch": schedule.choose_by == "loss",
        f"the optimiser is {LAZY}": how.optimiser == LAZY,
        "the weighting rule isn't equal or fixed": schedule.weighting["rule"] not in _RULES,
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def fit_vectorised(models: Sequence[StackedModel], schedule: Schedule) -> list[list[Epoch]]:
    """Train all ``models``, each as `emm.training.fit.fit` would; returns the epochs of each.

    They must have no `obstacle`. A model that has stopped early stays in the pass, without effect,
    until the last one stops. Raises DataError if a loss is not a number or a task has no label.
    """
    models = [replace(each, train=rows_to_learn(each.model, each.train)) for each in models]
    stack = _Stack(models, schedule)
    best = [copy_of(each.model) for each in models]
    histories: list[list[Epoch]] = [[] for _ in models]
    training = set(range(len(models)))
    title = " ".join(map(str, models[0].names[:1]))
    with progress(f"{title}, {len(models)} models in one pass", schedule.max_epochs) as report:
        for number in range(1, schedule.max_epochs + 1):
            means = stack.epoch(schedule.batch_size)
            stack.unstack()
            for place in sorted(training):
                each, history = models[place], histories[place]
                scores = validation_scores(each.model, each.validation)
                epoch = Epoch(number, mean_loss(means[place]), scores)
                history.append(with_trace(epoch, each.model, stack.losses, place))
                if best_epoch(history) == number:
                    best[place] = copy_of(each.model)
                if number - best_epoch(history) >= schedule.patience:
                    training.remove(place)
            report(number, f"{len(training)} of {len(models)} models still train")
            if not training:
                break
    for each, weights, history in zip(models, best, histories, strict=True):
        each.model.load_state_dict(weights)
        each.model.eval()
        say_best(each.names, each.seed, history)
    return histories


class _Penalised(nn.Module):
    """The logits of a model and its penalty, None if it has none, from the same weights."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, dense: Tensor, sparse: Tensor) -> tuple[Tensor, Tensor | None]:
        """dense [B, D], sparse [B, F] -> logits [B, O], and a scalar."""
        logits: Tensor = self.model(dense, sparse)
        penalty: Callable[[Tensor], Tensor] | None = getattr(self.model, "penalty", None)
        return logits, penalty(logits) if penalty else None


class _Stack:
    """The stacked weights and buffers of all models, and their optimiser."""

    def __init__(self, models: Sequence[StackedModel], schedule: Schedule) -> None:
        self.models = models
        modules = [each.model for each in models]
        self.base = _Penalised(deepcopy(modules[0]))
        weights, self.buffers = stack_module_state(modules)
        self.holder = nn.ParameterDict({_key(name): value for name, value in weights.items()})
        self.weights = {name: self.holder[_key(name)] for name in weights}
        first = models[0].train
        device = first.labels.device
        self.weighting: Weighting = make_weighting(first.labels.shape[1], **schedule.weighting)
        self.weighting.to(device)
        self.positive_weights = schedule.positive_weights
        steps = schedule.max_epochs * count_batches(len(first), schedule.batch_size)
        self.stepper = Stepper(self.holder, [], schedule.optimisation, steps)
        self.losses = StepLosses()
        self.orders = [order_generator(each.seed, device, *each.names) for each in models]

    def epoch(self, batch_size: int) -> Tensor:
        """Train for one epoch; returns the mean loss of each model and task, [M, T]."""
        self.base.train()
        total, self.losses = torch.zeros((), dtype=torch.float64), StepLosses()
        for step, batches in enumerate(self._batches(batch_size), start=1):
            dense, sparse, labels = (
                torch.stack([getattr(batch, name) for batch in batches])
                for name in ("dense", "sparse", "labels")
            )
            weights = [batch.weights for batch in batches if batch.weights is not None]
            rows = vmap(labelled_rows)(labels) if batches[0].partly_labelled else len(batches[0])
            every = (self.weights, self.buffers, dense, sparse, labels.float())
            if weights:
                losses, follow = vmap(self._losses)(*every, torch.stack(weights))
            else:
                losses, follow = vmap(self._losses)(*every)  # [M, T], [M]
            self.stepper.zero_grad()
            # Models share no weight: the gradient of the sum is the gradient of each.
            follow.sum().backward()  # type: ignore[no-untyped-call]
            self.stepper.step()
            total = total.to(losses.device) + losses.detach() * rows
            self.losses.add(step, total)
        return total / torch.stack([rows_per_task(each.train) for each in self.models])

    def unstack(self) -> None:
        """Copy the current weights and buffers into every model."""
        with torch.no_grad():
            for place, each in enumerate(self.models):
                own = each.model.state_dict()
                for name, value in (*self.weights.items(), *self.buffers.items()):
                    if name in own:
                        own[name].copy_(value[place])

    def _batches(self, batch_size: int) -> Iterator[tuple[RowTensors, ...]]:
        pairs = zip(self.models, self.orders, strict=True)
        return zip(*(each.train.shuffled(batch_size, order) for each, order in pairs), strict=True)

    def _losses(
        self,
        weights: dict[str, Tensor],
        buffers: dict[str, Tensor],
        dense: Tensor,
        sparse: Tensor,
        labels: Tensor,
        row_weights: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Of one model: the tasks' losses [T], and the scalar whose gradient it follows."""
        rows = self.models[0].train
        own = {f"model.{name}": value for name, value in (*weights.items(), *buffers.items())}
        logits, penalty = functional_call(self.base, own, (dense, sparse))
        losses = task_losses(
            logits,
            labels,
            row_weights,
            rows.kinds,
            rows.outputs,
            rows.partly_labelled,
            self.positive_weights,
        )
        follow = self.weighting.combine(losses)
        return losses, follow if penalty is None else follow + penalty


def _key(name: str) -> str:
    return name.replace(".", "/")


def _shape(model: nn.Module) -> tuple[object, ...]:
    return (type(model), *((name, value.shape) for name, value in model.state_dict().items()))


def _labels_of(rows: Rows) -> tuple[object, ...]:
    return rows.kinds, rows.outputs, rows.partly_labelled
