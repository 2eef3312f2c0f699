"""Averaged weights of a model that trains."""

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class Average:
    """An exponential moving average of a model, which begins with the weights of its first step."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = deepcopy(model)
        self._averages, self._values = _moving(self.model), _moving(model)
        self.first = True
        self._update = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def update(self) -> None:
        """Take the model's tensors as they are now into the average."""
        if self.first:
            for average, value in zip(self._averages, self._values, strict=True):
                average.copy_(value)
        else:
            self._update(self._averages, self._values, None)
        self.first = False


def _moving(model: nn.Module) -> list[Tensor]:
    """The weights that learn, and statistics.

    What else a model holds stays as it is: the whole numbers of trees and the infinite bounds of
    bins don't survive a mean, even with themselves.
    """
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    buffers = [each for each in model.buffers() if each.is_floating_point()]
    return [*weights, *(each for each in buffers if bool(each.isfinite().all()))]
