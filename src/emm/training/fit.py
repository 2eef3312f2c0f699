"""The training loop, with early stopping on validation scores."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from emm.core.errors import DataError, ParamsError
from emm.core.progress import progress
from emm.data.tables.rows import Rows, RowTensors, count_batches
from emm.metrics.tasks import scores
from emm.training.checkpoint import Checkpoint
from emm.training.compiling import choose_forward
from emm.training.distributed import (
    average_gradients,
    distribute,
    gather_logits,
    local_parts,
    single_process,
    sum_over_processes,
)
from emm.training.epochs import Epoch, run_title, say_best
from emm.training.forward import Forward, forward_of, losses_of
from emm.training.labels import rows_per_task, rows_to_learn
from emm.training.optimisers import LAZY, Optimisation, Stepper
from emm.training.resume import RunState, after_step, restore, save, zero_loss_sums
from emm.training.seeds import order_generator, seed_dropout
from emm.training.weighting import Weighting, make_weighting

EVALUATION_ROWS = 16_384  # the hidden layers of this many rows fit into the cache of a CPU


@dataclass(frozen=True)
class Schedule:
    """How to train: optimisation, loss weighting, rows per batch, and when to stop.

    Training stops after ``max_epochs``, or after ``patience`` epochs without a better mean
    validation score, or loss with ``choose_by: loss``. ``compile``: see `emm.training.compiling`;
    ``precision``: see `emm.training.forward`; ``positive_weights``, of each task: see
    `emm.nn.losses.task_losses`.
    """

    optimisation: Optimisation
    batch_size: int
    max_epochs: int
    patience: int
    weighting: Mapping[str, Any] = field(default_factory=lambda: {"rule": "equal"})
    compile: str = "never"
    precision: str = "float32"
    positive_weights: tuple[float, ...] = ()
    choose_by: str = "score"

    def task(self, number: int) -> "Schedule":
        """The schedule of a model of one task."""
        return replace(self, positive_weights=self.positive_weights[number : number + 1])


def fit(
    model: nn.Module,
    train: Rows,
    validation: Rows,
    schedule: Schedule,
    *,
    seed: int,
    names: Sequence[object] = (),
    history: Sequence[Epoch] = (),
    checkpoint: Checkpoint | None = None,
) -> list[Epoch]:
    """Train ``model`` in place and restore the weights of its best epoch.

    Model and rows are on one device. Only parameters that require a gradient change; a module that
    stays in eval mode keeps its buffers. If the model has ``penalty(logits)`` or
    ``logits_and_penalty(inputs, labels, weights)``, its penalty is added to the loss
    (`emm.training.forward`). ``complete_labels``: see `emm.training.labels`.

    ``names`` separate the random streams of this run from those of other runs with the same seed.
    ``history``: the epochs before this run, if the model continues from the best of them.
    ``checkpoint``: that of the stage; an interrupted run resumes from it with the same bits.

    Returns ``history`` and every epoch that ran; the best is that of `best_epoch`. Raises DataError
    if the loss is not a number or a task has no label, ParamsError if the weighting rule doesn't
    work with the optimiser or with several processes.
    """
    train = rows_to_learn(model, train)
    state = _start(model, train, schedule, seed, names, history)
    place = checkpoint.of(f"seed-{seed}", *names) if checkpoint else Checkpoint()
    with progress(run_title(names, seed), schedule.max_epochs) as report:
        restore(state, place)
        forward = _forward(state, schedule)
        while not state.ended:
            loss = train_epoch(
                model,
                train,
                state.remaining_batches(schedule.batch_size),
                state.weighting,
                state.stepper,
                forward,
                state.loss_sums,
                partial(after_step, state, place),
            )
            epoch = evaluated(
                state.number, loss, state.stepper.kept, validation, schedule.choose_by
            )
            state.end_epoch(epoch, schedule.max_epochs, schedule.patience)
            report(epoch.epoch, f"loss {loss:.5f}  validation {epoch.mean_score:.5f}")
            if state.ended or place.due:
                save(state, place)
    say_best(names, seed, state.history)
    model.load_state_dict(state.best)
    model.eval()
    return state.history


def _start(
    model: nn.Module,
    train: Rows,
    schedule: Schedule,
    seed: int,
    names: Sequence[object],
    history: Sequence[Epoch],
) -> RunState:
    """The state of a run before its first step."""
    device = train.labels.device
    weighting = make_weighting(train.labels.shape[1], **schedule.weighting).to(device)
    _require_compatible(weighting, schedule)
    steps = schedule.max_epochs * count_batches(len(train), schedule.batch_size)
    stepper = Stepper(model, list(weighting.parameters()), schedule.optimisation, steps)
    order = order_generator(seed, device, *names)
    seed_dropout(seed, *names)
    return RunState(model, weighting, stepper, order, train, list(history))


def _require_compatible(weighting: Weighting, schedule: Schedule) -> None:
    """Raise ParamsError if the rule needs gradients of all weights and rows and can't have them."""
    lazy = schedule.optimisation.optimiser == LAZY
    if weighting.one_gradient or (single_process() and not lazy):
        return
    raise ParamsError(
        f"the weighting rule {schedule.weighting['rule']!r} compares whole gradients of all rows",
        where="the recipe",
        got=f"training.optimiser: {LAZY}" if lazy else "a start in several processes",
        expected="adam or adamw" if lazy else "one process",
        next_step="change that, or take another weighting rule",
    )


def _forward(state: RunState, schedule: Schedule) -> Forward:
    """The losses of a batch, compiled if the schedule and the weighting rule allow it."""
    may_compile = state.weighting.may_compile and single_process()
    epochs = min(schedule.max_epochs, schedule.patience + 1)  # that run in any case
    return choose_forward(
        forward_of(state.model, schedule.precision, distribute, schedule.positive_weights),
        schedule.compile if may_compile else "never",
        batch_size=schedule.batch_size,
        steps=epochs * count_batches(len(state.train), schedule.batch_size),
        device=state.loss_sums.device,
    )


def train_epoch(
    model: nn.Module,
    train: Rows,
    batches: Iterable[RowTensors],
    weighting: Weighting,
    stepper: Stepper,
    forward: Forward | None = None,
    loss_sums: Tensor | None = None,
    after_step: Callable[[], None] | None = None,
) -> float:
    """Train on ``batches``, an epoch of ``train``; returns the mean loss per row and task.

    ``forward``: by default `forward_of` the model. ``loss_sums`` [T] float64: the losses summed
    over the labelled rows of earlier batches of this epoch; updated in place. ``after_step`` is
    called after each batch.
    """
    model.train()
    forward = forward or forward_of(model)
    if loss_sums is None:
        loss_sums = zero_loss_sums(train)
    for batch in local_parts(iter(batches)):
        losses = forward(batch)
        stepper.zero_grad()
        weighting.backward(losses.tasks, stepper.weights, losses.penalty, losses.present)
        average_gradients(weighting.parameters())
        stepper.step()
        weighting.after_step(forward, batch)
        rows = batch.piece.rows if batch.piece else len(batch)
        loss_sums += losses.tasks.detach() * (rows if losses.labelled is None else losses.labelled)
        if after_step:
            after_step()
    means = sum_over_processes(loss_sums) / rows_per_task(train)
    weighting.end_epoch(means)
    return mean_loss(means)


def mean_loss(means: Tensor) -> float:
    """The mean over tasks of their losses [T]. Raises DataError if it is not a number."""
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
    """Logits [N, O] of every row, in eval mode."""
    model.eval()
    return torch.cat([gather_logits(model, batch) for batch in rows.in_order(EVALUATION_ROWS)])


def validation_scores(model: nn.Module, validation: Rows) -> tuple[float, ...]:
    """The score of each task: AUC, for several classes the mean of one-vs-rest, or R squared for a
    regression."""
    return scores(
        predict(model, validation),
        validation.labels,
        validation.kinds,
        validation.outputs,
        validation.partly_labelled,
    )


def evaluated(
    number: int, train_loss: float, model: nn.Module, validation: Rows, choose_by: str = "score"
) -> Epoch:
    """An epoch after which the model is as it is now; ``choose_by``: see `Schedule`."""
    found = validation_scores(model, validation)
    if choose_by == "score":
        return Epoch(number, train_loss, found)
    loss = float(losses_of(predict(model, validation), validation).mean())
    return Epoch(number, train_loss, found, loss)


def epoch_before_training(
    model: nn.Module,
    train: Rows,
    validation: Rows,
    positive_weights: Sequence[float] = (),
    choose_by: str = "score",
) -> Epoch:
    """Epoch 0: loss and scores of a model that starts with trained weights."""
    losses = losses_of(predict(model, train), train, positive_weights)
    return evaluated(0, float(losses.mean()), model, validation, choose_by)
