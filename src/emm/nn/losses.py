"""Losses over several tasks, binary ones and regressions."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def task_losses(
    logits: Tensor, labels: Tensor, weights: Tensor | None = None, kinds: Sequence[str] = ()
) -> Tensor:
    """Loss of each task, a mean over rows by ``weights`` [B] where given; logits, labels [B, T] ->
    [T].

    ``kinds``: of the tasks in order, () for binary ones alone. A "binary" task's is the binary
    cross-entropy in nats; a "regression" task's is the squared error of its output, which is the
    predicted label itself, in squares of the label's units.
    """
    each = _each(logits, labels, kinds)  # [B, T]
    if weights is None:
        return each.mean(dim=0)
    return (weights.unsqueeze(1) * each).sum(dim=0) / weights.sum()


def of_binary_tasks(logits: Tensor, kinds: Sequence[str]) -> Tensor:
    """The columns of the binary tasks: logits [B, T] -> [B, T'], T' of them; () means all are."""
    if "regression" not in kinds:
        return logits
    columns = zip(logits.unbind(1), kinds, strict=True)
    kept = [column for column, kind in columns if kind == "binary"]
    return torch.stack(kept, dim=1) if kept else logits[:, :0]


def _each(logits: Tensor, labels: Tensor, kinds: Sequence[str]) -> Tensor:
    """Loss of each row and task, [B, T]."""
    if "regression" not in kinds:
        return functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    columns = zip(logits.unbind(1), labels.unbind(1), kinds, strict=True)
    return torch.stack([_of_kind(kind, *pair) for *pair, kind in columns], dim=1)


def _of_kind(kind: str, output: Tensor, label: Tensor) -> Tensor:
    if kind == "regression":
        return functional.mse_loss(output, label, reduction="none")
    return functional.binary_cross_entropy_with_logits(output, label, reduction="none")
