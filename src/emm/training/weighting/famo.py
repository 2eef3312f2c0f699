"""FAMO: losses that fall at equal rates. Liu, Feng, Stone and Liu, NeurIPS 2023."""

import torch
from torch import Tensor

from emm.config.binding import NotNegative, Positive
from emm.data.tables.rows import RowTensors
from emm.nn.row_means import per_process
from emm.training.forward import Forward
from emm.training.weighting.base import LossWeighting
from emm.training.weighting.present import part_of, softmax_of, with_mean_one

_LEAST_LOSS = 1e-8  # of the published code
_BETAS, _EPSILON = (0.9, 0.999), 1e-8  # Adam's defaults, as there


class FAMO(LossWeighting):
    """1/T sum_t w_t L_t, w_t = T (z_t / L_t) / sum_s z_s / L_s, z = softmax(logits).

    After each step of the model, the losses L' of the same batch are computed once more, and the
    logits take a step of Adam with ``learning_rate`` against [dz/dlogits]^T (log L - log L') +
    ``decay`` logits: the task whose loss fell least gains weight. The logits start at 0. The second
    forward pass costs about a third of a step. A task without labels in a batch keeps its logit.
    Liu, Feng, Stone and Liu, "FAMO: Fast Adaptive Multitask Optimization", NeurIPS 2023,
    Algorithm 1; Adam and the decay's default are those of its Algorithm 2 and of LibMTL.
    """

    logits: Tensor
    first: Tensor
    second: Tensor
    steps: Tensor

    def __init__(
        self, tasks: int, *, learning_rate: Positive = 0.025, decay: NotNegative = 0.001
    ) -> None:
        super().__init__(tasks)
        self.learning_rate, self.decay = learning_rate, decay
        for name in ("logits", "first", "second", "steps"):  # Adam's moments and steps, by task
            self.register_buffer(name, torch.zeros(tasks))
        self._before: Tensor | None = None

    def weigh(self, losses: Tensor, present: Tensor | None) -> Tensor:
        """losses [T] -> w [T]."""
        self._before = losses
        return with_mean_one(softmax_of(self.logits, present) / (losses + _LEAST_LOSS), present)

    @torch.no_grad()
    def after_step(self, forward: Forward, batch: RowTensors) -> None:
        """Compute the batch's losses once more, and move the logits."""
        again = forward(batch)
        self.move(per_process(again.tasks), again.present)

    def move(self, losses: Tensor, present: Tensor | None) -> None:
        """A step of the logits; ``losses`` [T] are those after the model's step."""
        if self._before is None:
            return
        fallen = (self._before + _LEAST_LOSS).log() - (losses + _LEAST_LOSS).log()
        z = softmax_of(self.logits, present)
        fallen = part_of(fallen, present)
        slope = z * (fallen - (z * fallen).sum()) + self.decay * self.logits
        self._adam(slope, present)

    def _adam(self, slope: Tensor, present: Tensor | None) -> None:
        """Adam's step of the present tasks; slope [T]."""
        steps = self.steps + 1
        first = torch.lerp(self.first, slope.to(self.first), 1 - _BETAS[0])
        second = torch.lerp(self.second, slope.to(self.first).square(), 1 - _BETAS[1])
        scale = (second / (1 - _BETAS[1] ** steps)).sqrt() + _EPSILON
        moved = self.logits - self.learning_rate * first / (1 - _BETAS[0] ** steps) / scale
        new = {"steps": steps, "first": first, "second": second, "logits": moved}
        for name, value in new.items():
            kept = self.get_buffer(name)
            kept.copy_(value if present is None else torch.where(present, value, kept))
