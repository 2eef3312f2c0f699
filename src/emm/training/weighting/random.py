"""Random loss weighting. Lin, Ye, Zhang and Tsang, TMLR 2022."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from emm.training.weighting.base import Weighting


class RandomWeighting(Weighting):
    """1/T sum_t w_t L_t, w = T softmax(z), with z_t drawn from N(0, 1) at each step.

    A baseline: a rule that doesn't beat it has learned no useful weights. ``seed``: of the draws.
    Lin, Ye, Zhang and Tsang, "Reasonable Effectiveness of Random Weighting: A Litmus Test for
    Multi-Task Learning", TMLR 2022, Algorithm 1 (RLW).
    """

    def __init__(self, tasks: int, *, seed: Annotated[int, Field(ge=0)] = 0) -> None:
        super().__init__(tasks)
        # On the CPU: all processes and devices draw the same weights.
        self._draws = torch.Generator().manual_seed(seed)

    def combine(self, losses: Tensor, present: Tensor | None = None) -> Tensor:
        """losses [T] -> scalar."""
        weights = self.tasks * torch.randn(self.tasks, generator=self._draws).softmax(dim=0)
        return (weights.to(losses, non_blocking=True) * losses).mean()

    def get_extra_state(self) -> Tensor:
        """State of the generator of the weights."""
        return self._draws.get_state()

    def set_extra_state(self, state: Tensor) -> None:
        """Restore what `get_extra_state` returned."""
        self._draws.set_state(state.cpu())
