"""Losses over several binary tasks."""

from torch import Tensor
from torch.nn import functional


def task_losses(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Binary cross-entropy of each task, a mean over rows by ``weights`` [B] where given.

    logits, labels [B, T] -> [T], in nats.
    """
    each = functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")  # [B, T]
    if weights is None:
        return each.mean(dim=0)
    return (weights.unsqueeze(1) * each).sum(dim=0) / weights.sum()
