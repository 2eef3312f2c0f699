"""Aligned-MTL: gradients of equal, orthogonal components. Senushkin et al., CVPR 2023."""

from typing import Literal

from emm.training.weighting.torchjd_rule import TorchJDRule


class AlignedMTL(TorchJDRule):
    """1/T sum_t of the tasks' gradients at shared parameters after all singular values are equal.

    Of the matrix of the gradients, [T, P], all singular values become one: the smallest, or with
    ``scale`` the median, or the root mean square as in the published code. By torchjd; see
    `SharedGradients`.
    Senushkin, Patakin, Kuznetsov and Konushin, "Independent Component Alignment for Multi-Task
    Learning", CVPR 2023, Algorithm 1.
    """

    def __init__(self, tasks: int, *, scale: Literal["min", "median", "rmse"] = "min") -> None:
        super().__init__(tasks, "AlignedMTLWeighting", scale_mode=scale)
