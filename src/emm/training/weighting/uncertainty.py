"""Homoscedastic uncertainty. Kendall, Gal and Cipolla, CVPR 2018."""

import torch
from torch import Tensor, nn

from emm.training.weighting.base import Weighting


class Uncertainty(Weighting):
    """1/T sum_t (exp(-s_t) L_t + s_t / 2), with s_t = log sigma_t^2 learned from 0.

    This is the form for cross-entropy, L_t / sigma_t^2 + log sigma_t, from a softmax of logits
    divided by sigma_t^2. For squared errors the paper halves the first term; substituting
    s_t + log 2 for s_t gives this form minus a constant, so regression tasks use it too. On its own
    s_t would settle at log(2 L_t), where the task's weight is 1 / (2 L_t).
    Kendall, Gal and Cipolla, "Multi-Task Learning Using Uncertainty to Weigh Losses for Scene
    Geometry and Semantics", CVPR 2018, eq. 10, the term of the classification task.
    """

    def __init__(self, tasks: int) -> None:
        super().__init__(tasks)
        self.log_variances = nn.Parameter(torch.zeros(tasks))

    def combine(self, losses: Tensor, present: Tensor | None = None) -> Tensor:
        """losses [T] -> scalar; the terms of tasks that aren't ``present`` [T] are left out."""
        terms = self.log_variances / 2
        if present is not None:
            terms = terms * present
        return (torch.exp(-self.log_variances) * losses + terms).mean()
