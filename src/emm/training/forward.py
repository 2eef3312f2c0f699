"""What a step computes before its gradient: the tasks' losses, and what the model adds to them."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from emm.data.batches import Table
from emm.nn.losses import of_binary_tasks, task_losses

Forward = Callable[[Table], tuple[Tensor, Tensor | None]]
"""Of a batch: the losses [T], and the model's penalty (scalar) if it has one."""

PRECISIONS = ("float32", "tf32", "bfloat16")


def forward_of(
    model: nn.Module, precision: str = "float32", call: nn.Module | None = None
) -> Forward:
    """The losses of ``model`` on a batch, and its ``penalty(logits)`` of the binary tasks' logits.

    ``precision`` bfloat16: layers that bear it compute in it, weights and losses stay float32.
    ``call``: what computes the logits in the model's place.
    """
    logits_of = call or model
    penalty: Callable[[Tensor], Tensor] | None = getattr(model, "penalty", None)

    def forward(batch: Table) -> tuple[Tensor, Tensor | None]:
        with _autocast(batch.labels.device.type, precision):
            logits = logits_of(*batch.inputs)
            logits = logits.float() if precision == "bfloat16" else logits
        losses = task_losses(logits, batch.labels.float(), batch.weights, batch.kinds)
        extra = penalty(of_binary_tasks(logits, batch.kinds)) if penalty else None
        if batch.piece is None:
            return losses, extra
        share = batch.piece.share
        return losses * share, None if extra is None else extra * share

    return forward


def _autocast(device: str, precision: str) -> AbstractContextManager[object]:
    return torch.autocast(device, torch.bfloat16) if precision == "bfloat16" else nullcontext()
