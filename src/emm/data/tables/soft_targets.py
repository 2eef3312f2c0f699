"""Soft targets of rows: what a teacher predicts for them."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:  # settings name a `Distillation`, and `emm check` does without torch
    from torch import Tensor


class Distillation(NamedTuple):
    """How rows teach with their soft targets besides their labels.

    Attributes:
        weight: of the loss against the soft targets, 0 to 1; that against the labels has the rest.
        temperature: divides the logits of teacher and model in it.
    """

    weight: float
    temperature: float = 1.0


def with_soft_targets(rows: Any, logits: "Tensor", how: Distillation) -> Any:
    """The same rows with a teacher's ``logits`` [N, O]; `RowTensors` or a `Stream`."""
    return replace(rows, soft_targets=logits, distillation=how)
