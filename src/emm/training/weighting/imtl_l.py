"""Impartial learning by losses. Liu et al., ICLR 2021."""

import torch
from torch import Tensor, nn

from emm.training.weighting.base import Weighting


class ImpartialLosses(Weighting):
    """1/T sum_t (exp(s_t) L_t - s_t), with s_t learned from 0.

    On its own s_t would settle at -log L_t, where all scaled losses are 1. `Uncertainty` has the
    same form with s_t / 2 in place of s_t, without its assumption of a distribution.
    Liu, Li, Kuang, Xue, Chen, Yang, Liao and Zhang, "Towards Impartial Multi-Task Learning", ICLR
    2021, section 3.2 (IMTL-L, with the base e of its code).
    """

    def __init__(self, tasks: int) -> None:
        super().__init__(tasks)
        self.log_scales = nn.Parameter(torch.zeros(tasks))

    def combine(self, losses: Tensor, present: Tensor | None = None) -> Tensor:
        """losses [T] -> scalar; the terms of tasks that aren't ``present`` [T] are left out."""
        terms = self.log_scales if present is None else self.log_scales * present
        return (torch.exp(self.log_scales) * losses - terms).mean()
