"""UPGrad: the mean of gradients projected to conflict with none. Quinton and Rey, 2024."""

from emm.training.weighting.torchjd_rule import TorchJDRule


class UPGrad(TorchJDRule):
    """1/T sum_t of g_t at shared parameters, each projected onto {d: g_s.d >= 0 for all s}.

    Unlike PCGrad's, the projection meets all other gradients at once, in no order. By torchjd; see
    `SharedGradients`.
    Quinton and Rey, "Jacobian Descent for Multi-Objective Optimization", arXiv 2406.16232, eq. 6.
    """

    def __init__(self, tasks: int) -> None:
        super().__init__(tasks, "UPGradWeighting")
