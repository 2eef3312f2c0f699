"""Geometric mean of the losses. Chennupati et al., CVPR workshops 2019."""

import torch
from torch import Tensor

from emm.training.weighting.base import LossWeighting
from emm.training.weighting.present import mean_of, part_of


class Geometric(LossWeighting):
    """(prod_t L_t)^(1/T), whose gradient is that of 1/T sum_t w_t L_t with w_t = that mean / L_t.

    A halved loss counts the same for every task, whatever its scale; the weights' sum is at least
    T. Of k present tasks, the geometric mean of their losses times k / T.
    Chennupati, Sistu, Yogamani and Rawashdeh, "MultiNet++: Multi-Stream Feature Aggregation and
    Geometric Loss Strategy for Multi-Task Learning", CVPR workshops 2019, eq. 3 (GLS).
    """

    def weigh(self, losses: Tensor, present: Tensor | None) -> Tensor:
        """losses [T] -> w [T]."""
        logs = losses.clamp(min=torch.finfo(losses.dtype).tiny).log()
        return part_of(torch.exp(mean_of(logs, present) - logs), present)
