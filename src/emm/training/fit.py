"""The training loop: early stopping on validation scores, the best epoch's weights restored."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from emm.core.errors import DataError, ParamsError
from emm.core.progress import Report
from emm.data.tables.batches import Rows, RowTensors, count_batches
from emm.metrics.scores import scores
from emm.nn.losses import task_losses
from emm.training.checkpoint import Checkpoint
from emm.training.compiling import choose_forward
from emm.training.distributed import alone, gathered, own_rows, spread, summed
from emm.training.epochs import Epoch, best_epoch
from emm.training.forward import Forward, forward_of
from emm.training.optimisers import LAZY, Optimisation, Stepper
from emm.training.resume import RunState, copy_of, restore, save
from emm.training.seeds import order_generator, seed_dropout
from emm.training.weighting import Weighting, make_weighting

EVALUATION_ROWS = 16_384  # hidden layers of so many rows stay in the cache of a CPU


@dataclass(frozen=True)
class Schedule:
    """How to train: the steps, rows per batch, and when to stop: after ``max_epochs``, or
    ``patience`` epochs without a better mean validation score. ``compile``: see
    `emm.training.compiling`; ``precision``: see `emm.training.forward`."""

    optimisation: Optimisation
    batch_size: int
    max_epochs: int
    patience: int
    weighting: Mapping[str, Any] = field(default_factory=lambda: {"rule": "equal"})
    compile: str = "never"
    precision: str = "float32"


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
    checkpoint: Checkpoint | None = None,
) -> list[Epoch]:
    """Train ``model`` in place and leave it with the weights of its best epoch, in eval mode.

    Only parameters that require a gradient are touched; a module that keeps itself in eval mode
    keeps its buffers. A model's ``penalty(logits)`` of the binary tasks' logits, if it has one,
    joins the loss, and so does that of its ``logits_and_penalty(inputs, labels, weights)``. Model
    and batches are on one device. ``names`` tell this run's random streams apart from others of the
    same seed. ``history``: the epochs that the model has behind it, if it has its best one's
    weights. ``checkpoint``: where an interrupted run goes on, to the same bits. Gives these and
    every epoch that ran; the best is the first with the highest mean score (`best_epoch`). Raises
    DataError when the loss is no longer a number, ParamsError for a weighting rule that can't go
    with the optimiser, or with several processes.
    """
    weighting = make_weighting(train.labels.shape[1], **schedule.weighting).to(train.labels.device)
    steps = schedule.max_epochs * count_batches(len(train), schedule.batch_size)
    _refuse_pairs(weighting, schedule)
    stepper = Stepper(model, list(weighting.parameters()), schedule.optimisation, steps)
    order = order_generator(seed, train.labels.device, *names)
    seed_dropout(seed, *names)
    run = RunState(model, weighting, stepper, order, train, list(history))
    first = run.number
    checkpoint = checkpoint or Checkpoint()
    restore(run, checkpoint)
    forward = _forward(run, schedule)
    while not run.ended:
        number, mean = run.number, _train_on(run, forward, schedule.batch_size, checkpoint)
        run.history.append(Epoch(number, mean, validation_scores(stepper.kept, validation)))
        chosen = best_epoch(run.history)
        if chosen == number:
            run.best = copy_of(stepper.kept)
        if report:
            report(number, f"loss {mean:.5f}  validation {run.history[-1].mean_score:.5f}")
        late = number - max(chosen, first - 1) >= schedule.patience
        run.ended = late or run.number == first + schedule.max_epochs
        run.start_epoch()
        if run.ended or checkpoint.due:
            save(run, checkpoint)
    model.load_state_dict(run.best)
    model.eval()
    return run.history


def _refuse_pairs(weighting: Weighting, schedule: Schedule) -> None:
    """Raise ParamsError for what a rule that compares whole gradients can't go with."""
    lazy = schedule.optimisation.optimiser == LAZY
    if weighting.one_gradient or (alone() and not lazy):
        return
    raise ParamsError(
        f"the weighting rule {schedule.weighting['rule']!r} compares whole gradients of all rows",
        where="params.yaml",
        got=f"training.optimiser: {LAZY}" if lazy else "a start in several processes",
        expected="adam or adamw" if lazy else "one process",
        next_step="change that, or take another weighting rule",
    )


def _forward(run: RunState, schedule: Schedule) -> Forward:
    """The losses of a batch, compiled if the schedule and the weighting rule allow it."""
    plain = forward_of(run.model, schedule.precision, spread)
    epochs = min(schedule.max_epochs, schedule.patience + 1)  # that run in any case
    return choose_forward(
        plain,
        # Rules with several gradients of one graph would have to keep what compiled steps reuse.
        schedule.compile if run.weighting.one_gradient and alone() else "never",
        batch_size=schedule.batch_size,
        steps=epochs * count_batches(len(run.train), schedule.batch_size),
        device=run.losses.device,
    )


def _train_on(run: RunState, forward: Forward, batch_size: int, checkpoint: Checkpoint) -> float:
    """Train on the batches of the epoch that are left; gives its mean loss."""

    def after_step() -> None:
        run.batches += 1
        if checkpoint.due:
            save(run, checkpoint)

    batches = run.remaining(batch_size)
    own = run.train, batches, run.weighting, run.stepper
    return train_epoch(run.model, *own, forward, run.losses, after_step)


def before_training(model: nn.Module, train: Rows, validation: Rows) -> Epoch:
    """Epoch 0 of a model that starts out trained."""
    losses = task_losses(predict(model, train), train.labels.float(), train.weights, train.kinds)
    return Epoch(0, float(losses.mean()), validation_scores(model, validation))


def train_epoch(
    model: nn.Module,
    train: Rows,
    batches: Iterable[RowTensors],
    weighting: Weighting,
    stepper: Stepper,
    forward: Forward | None = None,
    total: Tensor | None = None,
    after_step: Callable[[], None] | None = None,
) -> float:
    """One pass over an epoch's batches of ``train``; gives the mean loss per row and task.

    ``forward``: see `forward_of`, the default. ``total`` [T] float64: sums over the rows of batches
    that came before, which go on here; ``after_step`` is called after each batch.
    """
    model.train()
    forward = forward or forward_of(model)
    if total is None:
        # Summed where the model is: reading it after each step would stall a GPU.
        total = torch.zeros(train.labels.shape[1], dtype=torch.float64, device=train.labels.device)
    for batch in own_rows(iter(batches)):
        losses, extra = forward(batch)
        stepper.zero_grad()
        weighting.backward(losses, stepper.weights, extra)
        stepper.step()
        total += losses.detach() * (batch.piece.rows if batch.piece else len(batch))
        if after_step:
            after_step()
    means = summed(total) / len(train)
    weighting.end_epoch(means)
    return mean_loss(means)


def mean_loss(means: Tensor) -> float:
    """The mean over tasks of their losses [T]; DataError if it is no number."""
    mean = float(means.mean())
    if mean != mean:
        raise DataError(
            "the training loss is not a number",
            got=mean,
            next_step="lower the learning_rate, or look for extreme dense values with check-data",
        )
    return mean


@torch.inference_mode()
def predict(model: nn.Module, rows: Rows) -> Tensor:
    """Logits [N, T] of every row, in eval mode."""
    model.eval()
    return torch.cat([gathered(model, batch) for batch in rows.in_order(EVALUATION_ROWS)])


def validation_scores(model: nn.Module, validation: Rows) -> tuple[float, ...]:
    """AUC of each task, or R squared of a regression."""
    return scores(predict(model, validation), validation.labels, validation.kinds)
