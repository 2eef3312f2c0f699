"""A row of the table as one network: a model of all tasks, or its single-task models."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from emm.training.store import Stored


class SideBySide(nn.Module):
    """Single-task models, each with the logits of its task.

    dense [B, D], sparse [B, F] -> logits [B, O], in the order of the models.
    """

    def __init__(self, models: Sequence[nn.Module]) -> None:
        super().__init__()
        self.models = nn.ModuleList(models)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """Return the logits of all models."""
        return torch.cat([model(dense, sparse) for model in self.models], dim=1)


def as_one(stored: Sequence[Stored]) -> nn.Module:
    """The models as one of all tasks, on the CPU and in eval mode."""
    models = [each.model.cpu() for each in stored]
    return models[0] if len(models) == 1 else SideBySide(models).eval()
