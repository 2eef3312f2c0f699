"""Weights set by hand."""

from collections.abc import Sequence
from math import isfinite

import torch
from torch import Tensor

from emm.config.binding import Positive
from emm.core.errors import ParamsError
from emm.training.weighting.base import Weighting


class Fixed(Weighting):
    """sum_t v_t L_t / sum_t v_t with ``weights`` v; equal weights are the mean.

    Raises ParamsError unless there is one positive weight per task.
    """

    weights: Tensor

    def __init__(self, tasks: int, *, weights: Sequence[Positive]) -> None:
        super().__init__(tasks)
        if len(weights) != tasks or not all(isfinite(v) and v > 0 for v in weights):
            raise ParamsError(
                "fixed weights of the tasks' losses don't fit the tasks",
                where="weighting.weights",
                got=list(weights),
                expected=f"{tasks} positive numbers, one per task",
                next_step="give one weight per task, in the tasks' order",
            )
        shares = torch.tensor([tasks * v / sum(weights) for v in weights])
        self.register_buffer("weights", shares)

    def combine(self, losses: Tensor, present: Tensor | None = None) -> Tensor:
        """losses [T] -> scalar."""
        return (self.weights * losses).mean()
