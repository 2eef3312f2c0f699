"""Losses of several tasks, binary or regression."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def task_losses(
    logits: Tensor, labels: Tensor, weights: Tensor | None = None, kinds: Sequence[str] = ()
) -> Tensor:
    """Mean loss of each task: logits, labels [B, T] -> [T].

    The loss of a binary task is the cross-entropy in nats. That of a regression task is the squared
    error of its output, which is the predicted label itself, in squared units of the label.

    Args:
        weights: of the rows in the mean, [B]; None weighs all rows equally.
        kinds: "binary" or "regression" for each task; () if all are binary.
    """
    losses = _row_losses(logits, labels, kinds)  # [B, T]
    if weights is None:
        return losses.mean(dim=0)
    return (weights.unsqueeze(1) * losses).sum(dim=0) / weights.sum()


def binary_logits(logits: Tensor, kinds: Sequence[str]) -> Tensor:
    """Columns of the binary tasks, all if ``kinds`` is (): logits [B, T] -> [B, T']."""
    if "regression" not in kinds:
        return logits
    columns = zip(logits.unbind(1), kinds, strict=True)
    kept = [column for column, kind in columns if kind == "binary"]
    return torch.stack(kept, dim=1) if kept else logits[:, :0]


def _row_losses(logits: Tensor, labels: Tensor, kinds: Sequence[str]) -> Tensor:
    if "regression" not in kinds:
        return functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    columns = zip(logits.unbind(1), labels.unbind(1), kinds, strict=True)
    return torch.stack([_loss_of(kind, *pair) for *pair, kind in columns], dim=1)


def _loss_of(kind: str, output: Tensor, label: Tensor) -> Tensor:
    if kind == "regression":
        return functional.mse_loss(output, label, reduction="none")
    return functional.binary_cross_entropy_with_logits(output, label, reduction="none")
