"""Dynamic weight average. Liu, Johns and Davison, CVPR 2019."""

import torch
from torch import Tensor

from emm.config.binding import Positive
from emm.training.weighting.base import Weighting


class DynamicWeightAverage(Weighting):
    """1/T sum_t w_t L_t, w_t = T softmax(r_t / temperature), r_t = L_t(e-1) / L_t(e-2).

    L_t(e) is the mean loss over epoch e; the weights of the first two epochs are ones. The task
    whose loss falls slowest weighs most; a higher ``temperature`` evens the weights out.
    Liu, Johns and Davison, "End-to-End Multi-Task Learning with Attention", CVPR 2019.
    """

    weights: Tensor
    latest: Tensor

    def __init__(self, tasks: int, *, temperature: Positive = 2.0) -> None:
        super().__init__(tasks)
        self.temperature = temperature
        self.register_buffer("weights", torch.ones(tasks))
        # Infinite before the first epoch: then all ratios after it are 0 and the weights are ones.
        self.register_buffer("latest", torch.full((tasks,), torch.inf))

    def combine(self, losses: Tensor, present: Tensor | None = None) -> Tensor:
        """losses [T] -> scalar."""
        return (self.weights * losses).mean()

    def end_epoch(self, losses: Tensor) -> None:
        """Set the next epoch's weights; losses [T]."""
        ratios = losses / self.latest
        self.weights.copy_(self.tasks * torch.softmax(ratios / self.temperature, dim=0))
        self.latest.copy_(losses)
