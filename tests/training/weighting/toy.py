"""Two parameters, matrices of one number, and two tasks, to be differentiated by hand; tasks with
given gradients."""

import numpy as np
import torch
from torch import Tensor, nn

from emm.training.weighting import Weighting

X, Y = 2.0, 3.0
LOSSES = [6.0, 4.0]  # x*y, x^2, with the gradients (3, 2) and (4, 0)


def toy() -> tuple[list[nn.Parameter], Tensor]:
    """The parameters x, y and the losses [2]: x*y and x^2, which y doesn't reach."""
    x, y = nn.Parameter(torch.tensor([[X]])), nn.Parameter(torch.tensor([[Y]]))
    return [x, y], torch.stack([x * y, x.square()]).flatten()


def gradients(parameters: list[nn.Parameter]) -> list[float]:
    return [float(parameter.grad) for parameter in parameters]


def followed(weighting: Weighting, rows: np.ndarray) -> np.ndarray:
    """The gradient of a float64 parameter for tasks whose gradients are ``rows`` [T, P] -> [P]."""
    x = nn.Parameter(torch.zeros(rows.shape[1], dtype=torch.float64))
    weighting.backward(torch.from_numpy(rows) @ x, [x])
    assert x.grad is not None
    return x.grad.numpy()


def random_rows(tasks: int, seed: int = 0, width: int = 6) -> np.ndarray:
    """Gradients [T, P] of unequal lengths, some of which conflict."""
    numbers = np.random.default_rng(seed)
    return numbers.normal(size=(tasks, width)) * 10 ** numbers.uniform(-1, 1, size=(tasks, 1))
