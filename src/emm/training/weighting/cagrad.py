"""CAGrad: the worst task near the mean gradient. Liu et al., NeurIPS 2021."""

from emm.config.binding import NotNegative
from emm.training.weighting.torchjd_rule import TorchJDRule


class CAGrad(TorchJDRule):
    """d at shared parameters with the largest min_t g_t.d, within ``c`` ||g_0|| of their mean g_0.

    With ``c`` 0 it is the mean, and towards infinity MGDA. By torchjd; see `SharedGradients`.
    Liu, Liu, Jin, Stone and Liu, "Conflict-Averse Gradient Descent for Multi-task Learning",
    NeurIPS 2021, Algorithm 1.
    """

    def __init__(self, tasks: int, *, c: NotNegative = 0.4) -> None:
        super().__init__(tasks, "CAGradWeighting", c=c)
