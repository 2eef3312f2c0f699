"""The training loop: early stopping on validation scores, the best epoch's weights restored."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from emm.core.errors import DataError
from emm.core.progress import Report
from emm.data.batches import Rows, Table, count_batches
from emm.metrics.scores import scores
from emm.nn.losses import of_binary_tasks, task_losses
from emm.training.optimisers import Optimisation, Stepper
from emm.training.seeds import order_generator, seed_dropout
from emm.training.weighting import Weighting, make_weighting

Penalty = Callable[[Tensor], Tensor]
LabelledPenalty = Callable[[tuple[Tensor, ...], Tensor, Tensor | None], tuple[Tensor, Tensor]]
EVALUATION_ROWS = 65_536


@dataclass(frozen=True)
class Schedule:
    """How to train: the steps, rows per batch, and when to stop: after ``max_epochs``, or
    ``patience`` epochs without a better mean validation score."""

    optimisation: Optimisation
    batch_size: int
    max_epochs: int
    patience: int
    weighting: Mapping[str, Any] = field(default_factory=lambda: {"rule": "equal"})


@dataclass(frozen=True)
class Epoch:
    """One pass over train: mean loss per row and validation score of each task, its AUC or, of a
    regression, R squared."""

    epoch: int
    train_loss: float
    scores: tuple[float, ...]

    @property
    def mean_score(self) -> float:
        return sum(self.scores) / len(self.scores)


def fit(
    model: nn.Module,
    train: Rows,
    validation: Rows,
    schedule: Schedule,
    *,
    seed: int,
    names: Sequence[object] = (),
    history: Sequence[Epoch] = (),
    report: Report | None = None,
) -> list[Epoch]:
    """Train ``model`` in place and leave it with the weights of its best epoch, in eval mode.

    Only parameters that require a gradient are touched; a module that keeps itself in eval mode
    keeps its buffers. A model's ``penalty(logits)`` of the binary tasks' logits, if it has one,
    joins the loss, and so does that of its ``logits_and_penalty(inputs, labels, weights)``. Model
    and batches are on one device. ``names`` tell this run's random streams apart from others of the
    same seed. ``history``: the epochs that the model has behind it, if it has its best one's
    weights. Gives these and every epoch that ran; the best is the first with the highest mean score
    (`best_epoch`). Raises DataError when the loss is no longer a number.
    """
    weighting = make_weighting(train.labels.shape[1], **schedule.weighting).to(train.labels.device)
    steps = schedule.max_epochs * count_batches(len(train), schedule.batch_size)
    stepper = Stepper(model, list(weighting.parameters()), schedule.optimisation, steps)
    order = order_generator(seed, train.labels.device, *names)
    seed_dropout(seed, *names)
    history = list(history)
    best = _copy(model)
    first = history[-1].epoch + 1 if history else 1
    for number in range(first, first + schedule.max_epochs):
        batches = train.shuffled(schedule.batch_size, order)
        mean = train_epoch(model, train, batches, weighting, stepper)
        history.append(Epoch(number, mean, validation_scores(stepper.kept, validation)))
        chosen = best_epoch(history)
        if chosen == number:
            best = _copy(stepper.kept)
        if report:
            report(number, f"loss {mean:.5f}  validation {history[-1].mean_score:.5f}")
        if number - max(chosen, first - 1) >= schedule.patience:
            break
    model.load_state_dict(best)
    model.eval()
    return history


def before_training(model: nn.Module, train: Rows, validation: Rows) -> Epoch:
    """Epoch 0 of a model that starts out trained."""
    losses = task_losses(predict(model, train), train.labels.float(), train.weights, train.kinds)
    return Epoch(0, float(losses.mean()), validation_scores(model, validation))


def best_epoch(history: Sequence[Epoch]) -> int:
    """Number (from 1) of the first epoch with the highest mean validation score."""
    return max(history, key=lambda epoch: (epoch.mean_score, -epoch.epoch)).epoch


def train_epoch(
    model: nn.Module,
    train: Rows,
    batches: Iterable[Table],
    weighting: Weighting,
    stepper: Stepper,
) -> float:
    """One pass over an epoch's batches of ``train``; gives the mean loss per row and task."""
    model.train()
    penalty: Penalty | None = getattr(model, "penalty", None)
    # Summed where the model is: reading it after each step would stall a GPU.
    total = torch.zeros(train.labels.shape[1], dtype=torch.float64, device=train.labels.device)
    for batch in batches:
        logits, extra = _forward(model, batch)
        losses = task_losses(logits, batch.labels.float(), batch.weights, batch.kinds)
        stepper.zero_grad()
        if penalty:
            extra = penalty(of_binary_tasks(logits, train.kinds))
        weighting.backward(losses, stepper.weights, extra)
        stepper.step()
        total += losses.detach() * len(batch)
    means = total / len(train)
    weighting.end_epoch(means)
    mean = float(means.mean())
    if mean != mean:
        raise DataError(
            "the training loss is not a number",
            got=mean,
            next_step="lower the learning_rate, or look for extreme dense values with check-data",
        )
    return mean


def _forward(model: nn.Module, batch: Table) -> tuple[Tensor, Tensor | None]:
    """Logits [B, T] of a training batch, and a penalty that needs its labels, if there is one."""
    both: LabelledPenalty | None = getattr(model, "logits_and_penalty", None)
    if both is None:
        return model(*batch.inputs), None
    return both(batch.inputs, batch.labels, batch.weights)


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in model.state_dict().items()}


@torch.inference_mode()
def predict(model: nn.Module, rows: Rows) -> Tensor:
    """Logits [N, T] of every row, in eval mode."""
    model.eval()
    return torch.cat([model(*batch.inputs) for batch in rows.in_order(EVALUATION_ROWS)])


def validation_scores(model: nn.Module, validation: Rows) -> tuple[float, ...]:
    """AUC of each task, or R squared of a regression."""
    return scores(predict(model, validation), validation.labels, validation.kinds)
