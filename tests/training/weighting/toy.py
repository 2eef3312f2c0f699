"""Two parameters, matrices of one number, and two tasks, to be differentiated by hand."""

import torch
from torch import Tensor, nn

X, Y = 2.0, 3.0
LOSSES = [6.0, 4.0]  # x*y, x^2, with the gradients (3, 2) and (4, 0)


def toy() -> tuple[list[nn.Parameter], Tensor]:
    """The parameters x, y and the losses [2]: x*y and x^2, which y doesn't reach."""
    x, y = nn.Parameter(torch.tensor([[X]])), nn.Parameter(torch.tensor([[Y]]))
    return [x, y], torch.stack([x * y, x.square()]).flatten()


def gradients(parameters: list[nn.Parameter]) -> list[float]:
    return [float(parameter.grad) for parameter in parameters]
