"""The forward pass of a training step: the tasks' losses and the model's penalty."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from emm.data.tables.rows import Rows, RowTensors
from emm.nn.losses import labelled_rows, soft_losses, task_losses

PRECISIONS = ("float32", "tf32", "bfloat16")


class Losses(NamedTuple):
    """The losses of a batch.

    Attributes:
        tasks: of each task, see `losses_of`, [T].
        penalty: that of the model, scalar, if it has one.
        labelled: number of labelled rows of each task, [T], if no other rows teach it.
    """

    tasks: Tensor
    penalty: Tensor | None = None
    labelled: Tensor | None = None

    @property
    def present(self) -> Tensor | None:
        """Whether each task has labelled rows, [T]; None if labels can't be missing."""
        return None if self.labelled is None else self.labelled > 0


Forward = Callable[[RowTensors], Losses]


class LabelledPenalty(Protocol):
    """The method ``logits_and_penalty`` of a model: see `forward_of`."""

    def __call__(
        self,
        inputs: tuple[Tensor, ...],
        labels: Tensor,
        weights: Tensor | None,
        **options: Any,
    ) -> tuple[Tensor, Tensor]: ...


class Labelled(nn.Module):
    """A model called with inputs, labels and weights, for a penalty that needs them."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        inputs: tuple[Tensor, ...],
        labels: Tensor,
        weights: Tensor | None,
        **options: Any,
    ) -> tuple[Tensor, Tensor | None]:
        """Logits [B, O], and the penalty (scalar) if the model has ``logits_and_penalty``."""
        both: LabelledPenalty | None = getattr(self.model, "logits_and_penalty", None)
        return both(inputs, labels, weights, **options) if both else (self.model(*inputs), None)


def forward_of(
    model: nn.Module,
    precision: str = "float32",
    wrap: Callable[[nn.Module], nn.Module] = lambda model: model,
    positive_weights: Sequence[float] = (),
) -> Forward:
    """A function from a batch to the losses of ``model`` and its penalty.

    The penalty is that of the model's ``penalty(logits)``, or of its
    ``logits_and_penalty(inputs, labels, weights)``. The latter gets the keyword
    ``partly_labelled=True`` if labels may be missing, and ``positive_weights`` if there are any.
    With ``precision`` bfloat16, layers for which it is safe compute in it; weights and losses stay
    float32. ``wrap`` is applied to the module that is called, to distribute it over processes.
    ``positive_weights``: see `emm.nn.losses.task_losses`.
    """
    labelled = wrap(Labelled(model))
    penalty_of: Callable[[Tensor], Tensor] | None = getattr(model, "penalty", None)

    def forward(batch: RowTensors) -> Losses:
        options = _options(batch, positive_weights)
        with _autocast(batch.labels.device.type, precision):
            logits, penalty = labelled(batch.inputs, batch.labels, batch.weights, **options)
            logits = logits.float() if precision == "bfloat16" else logits
        tasks = losses_of(logits, batch, positive_weights)
        every_row = not batch.partly_labelled or batch.soft_targets is not None
        counts = None if every_row else labelled_rows(batch.labels)
        if batch.piece is not None:
            tasks = tasks * batch.piece.share
            penalty = None if penalty is None else penalty * batch.piece.share
        if penalty_of:
            penalty = penalty_of(logits)
            penalty = penalty if batch.piece is None else penalty * batch.piece.row_share
        return Losses(tasks, penalty, counts)

    return forward


def losses_of(logits: Tensor, rows: Rows, positive_weights: Sequence[float] = ()) -> Tensor:
    """Mean loss of each task over its labelled rows: logits [N, O] -> [T].

    Rows with soft targets of weight a have the loss (1 - a) of that and a of the mean loss against
    their teacher, over all rows. A teacher has learned with ``positive_weights`` itself.
    """
    losses = task_losses(
        logits,
        rows.labels.float(),
        rows.weights,
        rows.kinds,
        rows.outputs,
        rows.partly_labelled,
        positive_weights,
    )
    if rows.soft_targets is None or rows.distillation is None:
        return losses
    weight, temperature = rows.distillation
    soft = soft_losses(
        logits,
        rows.soft_targets,
        temperature,
        rows.weights,
        rows.kinds,
        rows.outputs,
        shared_mean=rows.partly_labelled,
    )
    return (1 - weight) * losses + weight * soft


def _options(batch: RowTensors, positive_weights: Sequence[float]) -> dict[str, Any]:
    """The keywords of a ``logits_and_penalty``, without those at their defaults."""
    options: dict[str, Any] = {}
    if batch.partly_labelled:
        options["partly_labelled"] = True
    if positive_weights:
        options["positive_weights"] = positive_weights
    return options


def _autocast(device: str, precision: str) -> AbstractContextManager[object]:
    return torch.autocast(device, torch.bfloat16) if precision == "bfloat16" else nullcontext()
