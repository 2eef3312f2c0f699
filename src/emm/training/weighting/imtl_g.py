"""Impartial learning by gradients. Liu et al., ICLR 2021."""

from emm.training.weighting.torchjd_rule import TorchJDRule


class ImpartialGradients(TorchJDRule):
    """sum_t a_t g_t at shared parameters, sum_t a_t = 1, with equal projections onto all g_t.

    Weights may be negative. By torchjd, for dependent gradients with the pseudo-inverse; see
    `SharedGradients`.
    Liu, Li, Kuang, Xue, Chen, Yang, Liao and Zhang, "Towards Impartial Multi-Task Learning", ICLR
    2021, section 3.1 (IMTL-G).
    """

    def __init__(self, tasks: int) -> None:
        super().__init__(tasks, "IMTLGWeighting")
