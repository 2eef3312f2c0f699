"""PCGrad: gradients without their conflicting parts. Yu et al., NeurIPS 2020."""

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from emm.training.weighting.base import Weighting
from emm.training.weighting.gradients import add_gradient, task_gradients


class PCGrad(Weighting):
    """1/T sum_t g'_t: each task's gradient g_t without the parts that conflict with other tasks.

    g' starts as g_t; for every other task j, in random order, g' <- g' - min(g'.g_j, 0) /
    ||g_j||^2 g_j. Gradients are over all parameters; that of a penalty is added unchanged.
    ``seed``: of the random orders. Needs memory for T gradients of all parameters.
    Yu et al., "Gradient Surgery for Multi-Task Learning", NeurIPS 2020, Algorithm 1 (there the
    sum; here the mean, as for the other rules).
    """

    def __init__(self, tasks: int, *, seed: Annotated[int, Field(ge=0)] = 0) -> None:
        super().__init__(tasks)
        # On the CPU: its numbers can be read without waiting for the device.
        self._orders = torch.Generator().manual_seed(seed)

    def backward(
        self,
        losses: Tensor,
        parameters: Sequence[nn.Parameter],
        penalty: Tensor | None = None,
        present: Tensor | None = None,
    ) -> None:
        """See `Weighting.backward`; a task without labels has the gradient 0 and changes none."""
        reached, flat = task_gradients(losses, parameters)
        orders = [torch.randperm(self.tasks, generator=self._orders).tolist() for _ in losses]
        shares = project(flat @ flat.T, orders).mean(dim=0)  # [T]
        add_gradient(reached, shares @ flat)
        if penalty is not None:
            penalty.backward()  # type: ignore[no-untyped-call]

    def get_extra_state(self) -> Tensor:
        """State of the generator of the orders."""
        return self._orders.get_state()

    def set_extra_state(self, state: Tensor) -> None:
        """Restore what `get_extra_state` returned."""
        self._orders.set_state(state.cpu())


def project(products: Tensor, orders: Sequence[Sequence[int]]) -> Tensor:
    """The projected gradients as combinations of the gradients, computed from dot products only.

    products [T, T]: g_i.g_j; orders: for each task the order of the tasks (itself is skipped) ->
    C [T, T], g'_i = sum_j C_ij g_j. One product of all gradients replaces T^2 of them.
    """
    squares = products.diagonal().clamp(min=torch.finfo(products.dtype).tiny)
    combinations = torch.eye(len(products), dtype=products.dtype, device=products.device)
    for own, order in enumerate(orders):
        for other in order:
            if other != own:
                dot = combinations[own] @ products[:, other]
                combinations[own, other] -= dot.clamp(max=0) / squares[other]
    return combinations
