"""The forward pass of a training step: the tasks' losses and the model's penalty."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from emm.data.tables.rows import RowTensors
from emm.nn.losses import binary_logits, task_losses

LabelledPenalty = Callable[[tuple[Tensor, ...], Tensor, Tensor | None], tuple[Tensor, Tensor]]
Forward = Callable[[RowTensors], tuple[Tensor, Tensor | None]]
"""For a batch: the losses [T], and the model's penalty (scalar) if it has one."""

PRECISIONS = ("float32", "tf32", "bfloat16")


class Labelled(nn.Module):
    """A model called with inputs, labels and weights, for a penalty that needs them."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, inputs: tuple[Tensor, ...], labels: Tensor, weights: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Logits [B, T], and the penalty (scalar) if the model has ``logits_and_penalty``."""
        both: LabelledPenalty | None = getattr(self.model, "logits_and_penalty", None)
        return both(inputs, labels, weights) if both else (self.model(*inputs), None)


def forward_of(
    model: nn.Module,
    precision: str = "float32",
    wrap: Callable[[nn.Module], nn.Module] = lambda model: model,
) -> Forward:
    """A function from a batch to the losses of ``model`` and its penalty.

    The penalty is that of the model's ``penalty(logits)``, which gets the logits of the binary
    tasks, or of its ``logits_and_penalty(inputs, labels, weights)``. With ``precision`` bfloat16,
    layers for which it is safe compute in it; weights and losses stay float32. ``wrap`` is applied
    to the module that is called, to distribute it over processes.
    """
    labelled = wrap(Labelled(model))
    penalty_of: Callable[[Tensor], Tensor] | None = getattr(model, "penalty", None)

    def forward(batch: RowTensors) -> tuple[Tensor, Tensor | None]:
        with _autocast(batch.labels.device.type, precision):
            logits, penalty = labelled(batch.inputs, batch.labels, batch.weights)
            logits = logits.float() if precision == "bfloat16" else logits
        losses = task_losses(logits, batch.labels.float(), batch.weights, batch.kinds)
        if penalty_of:
            penalty = penalty_of(binary_logits(logits, batch.kinds))
        if batch.piece is None:
            return losses, penalty
        share = batch.piece.share
        return losses * share, None if penalty is None else penalty * share

    return forward


def _autocast(device: str, precision: str) -> AbstractContextManager[object]:
    return torch.autocast(device, torch.bfloat16) if precision == "bfloat16" else nullcontext()
