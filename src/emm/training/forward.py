"""What a step computes before its gradient: the tasks' losses, and what the model adds to them."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from emm.data.tables.batches import RowTensors
from emm.nn.losses import of_binary_tasks, task_losses

LabelledPenalty = Callable[[tuple[Tensor, ...], Tensor, Tensor | None], tuple[Tensor, Tensor]]
Forward = Callable[[RowTensors], tuple[Tensor, Tensor | None]]
"""Of a batch: the losses [T], and the model's penalty (scalar) if it has one."""

PRECISIONS = ("float32", "tf32", "bfloat16")


class Labelled(nn.Module):
    """A model as training calls it: with the labels, for a penalty that needs them."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, inputs: tuple[Tensor, ...], labels: Tensor, weights: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Logits [B, T], and the penalty (scalar) of ``logits_and_penalty``, if it has that."""
        both: LabelledPenalty | None = getattr(self.model, "logits_and_penalty", None)
        return both(inputs, labels, weights) if both else (self.model(*inputs), None)


def forward_of(
    model: nn.Module,
    precision: str = "float32",
    spread: Callable[[nn.Module], nn.Module] = lambda model: model,
) -> Forward:
    """The losses of ``model`` on a batch, and what it adds to them: its ``penalty(logits)`` of the
    binary tasks' logits, or that of its ``logits_and_penalty(inputs, labels, weights)``.

    ``precision`` bfloat16: layers that bear it compute in it, weights and losses stay float32.
    ``spread``: puts several processes behind a module.
    """
    labelled = spread(Labelled(model))
    penalty: Callable[[Tensor], Tensor] | None = getattr(model, "penalty", None)

    def forward(batch: RowTensors) -> tuple[Tensor, Tensor | None]:
        with _autocast(batch.labels.device.type, precision):
            logits, extra = labelled(batch.inputs, batch.labels, batch.weights)
            logits = logits.float() if precision == "bfloat16" else logits
        losses = task_losses(logits, batch.labels.float(), batch.weights, batch.kinds)
        if penalty:
            extra = penalty(of_binary_tasks(logits, batch.kinds))
        if batch.piece is None:
            return losses, extra
        share = batch.piece.share
        return losses * share, None if extra is None else extra * share

    return forward


def _autocast(device: str, precision: str) -> AbstractContextManager[object]:
    return torch.autocast(device, torch.bfloat16) if precision == "bfloat16" else nullcontext()
