"""MGDA: the shortest gradient between those of the tasks. Sener and Koltun, NeurIPS 2018."""

from emm.training.weighting.torchjd_rule import TorchJDRule


class MGDA(TorchJDRule):
    """The shortest of sum_t a_t g_t at shared parameters with a >= 0 and sum_t a_t = 1.

    It has a positive product with every g_t, and is 0 where no step improves all tasks. Small
    gradients weigh most. By torchjd; see `SharedGradients`.
    Sener and Koltun, "Multi-Task Learning as Multi-Objective Optimization", NeurIPS 2018,
    Algorithm 2 (Frank-Wolfe); Désidéri, "Multiple-gradient descent algorithm (MGDA) for
    multiobjective optimization", Comptes Rendus Mathématique 350, 2012.
    """

    def __init__(self, tasks: int) -> None:
        super().__init__(tasks, "MGDAWeighting")
