"""An exponential moving average of a model's weights."""

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class Average:
    """A copy of a model whose weights follow the model's as an exponential moving average.

    It starts with the weights after the first step.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = deepcopy(model)
        self._averages, self._values = _averaged(self.model), _averaged(model)
        self.first = True
        self._update = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def update(self) -> None:
        """Move the average towards the model's current weights."""
        if self.first:
            for average, value in zip(self._averages, self._values, strict=True):
                average.copy_(value)
        else:
            self._update(self._averages, self._values, None)
        self.first = False


def _averaged(model: nn.Module) -> list[Tensor]:
    """The trainable weights, and the buffers with statistics.

    Other buffers keep their values: the integers of trees and the infinite bounds of bins would
    not survive an average.
    """
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    buffers = [each for each in model.buffers() if each.is_floating_point()]
    return [*weights, *(each for each in buffers if bool(each.isfinite().all()))]
