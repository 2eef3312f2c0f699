"""Smooth Tchebycheff scalarisation. Lin et al., ICML 2024."""

import torch
from torch import Tensor

from emm.config.binding import Positive
from emm.training.weighting.base import LossWeighting
from emm.training.weighting.present import part_of, softmax_of, with_mean_one


class SmoothTchebycheff(LossWeighting):
    """The gradient of mu log sum_t exp(f_t / mu), f_t = log(L_t / N_t), scaled.

    N_t is the mean loss of the first epoch: the task that has improved least since then weighs
    most, and the smaller ``mu``, the more. In the first epoch it follows sum_t log L_t. The
    gradient is scaled so that it is 1/T sum_t w_t L_t's with sum_t w_t = T: w_t is proportional to
    softmax(f / mu)_t / L_t.
    Lin, Zhang, Yang, Liu, Wang and Zhang, "Smooth Tchebycheff Scalarization for Multi-Objective
    Optimization", ICML 2024, eq. 6 with equal preferences and the ideal point 0; the logarithms,
    N_t and the first epoch are those of its code for LibMTL, with one epoch instead of four.
    """

    references: Tensor

    def __init__(self, tasks: int, *, mu: Positive = 1.0) -> None:
        super().__init__(tasks)
        self.mu = mu
        # Infinite in the first epoch: f isn't known yet.
        self.register_buffer("references", torch.full((tasks,), torch.inf))

    def weigh(self, losses: Tensor, present: Tensor | None) -> Tensor:
        """losses [T] -> w [T]."""
        least = losses.clamp(min=torch.finfo(losses.dtype).tiny)
        relative = torch.where(self.references.isinf(), 0.0, (least / self.references).log())
        shares = softmax_of(relative / self.mu, present)
        return with_mean_one(shares * part_of(least.reciprocal(), present), present)

    def end_epoch(self, losses: Tensor) -> None:
        """Keep the losses of the first epoch; losses [T]."""
        first = torch.where(self.references.isinf(), losses, self.references)
        self.references.copy_(first)
