"""The gradients of several tasks, one vector each, and where they share parameters."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def task_gradients(
    losses: Tensor, parameters: Sequence[nn.Parameter]
) -> tuple[list[nn.Parameter], Tensor]:
    """The parameters that any task reaches, and the tasks' gradients of all of them.

    losses [T]; their graph is kept -> gradients [T, P], with zeros for what a task doesn't reach.
    A parameter without a gradient from any task is left out, as a plain backward leaves it.
    """
    gradients = [
        torch.autograd.grad(loss, tuple(parameters), retain_graph=True, allow_unused=True)
        for loss in losses.unbind()
    ]
    used = [n for n, own in enumerate(zip(*gradients, strict=True)) if _any(own)]
    reached = [parameters[n] for n in used]
    return reached, torch.stack([_flat([own[n] for n in used], reached) for own in gradients])


def add_gradient(parameters: Sequence[nn.Parameter], gradient: Tensor) -> None:
    """Add ``gradient`` [P] to .grad of the parameters that it is made of."""
    parts = torch.split(gradient, [parameter.numel() for parameter in parameters])
    for parameter, part in zip(parameters, parts, strict=True):
        own = part.view_as(parameter)
        parameter.grad = own if parameter.grad is None else parameter.grad + own


def _any(gradients: Sequence[Tensor | None]) -> bool:
    return any(gradient is not None for gradient in gradients)


def _flat(gradients: Sequence[Tensor | None], parameters: Sequence[nn.Parameter]) -> Tensor:
    """The gradients of one task as one vector [P], with zeros for parameters without a gradient."""
    return torch.cat(
        [
            (torch.zeros_like(parameter) if gradient is None else gradient).flatten()
            for gradient, parameter in zip(gradients, parameters, strict=True)
        ]
    )
