"""Losses over several binary tasks."""

from torch import Tensor
from torch.nn import functional


def multi_task_bce(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean over rows and tasks of the binary cross-entropy; logits, labels [B, T] -> scalar."""
    return functional.binary_cross_entropy_with_logits(logits, labels)
