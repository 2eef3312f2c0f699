"""The base class of the rules that weigh the tasks' gradients at shared parameters."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from emm.training.weighting.base import Weighting
from emm.training.weighting.gradients import add_gradient, task_gradients


class SharedGradients(Weighting):
    """1/T sum_t w_t g_t at the shared parameters, with w from the dot products of the gradients.

    An element of a parameter is shared in a batch if at least two tasks have a gradient there: one
    tower of several that are stacked into one tensor is not. Elsewhere the gradient is 1/T sum_t
    g_t, and that of a penalty is added unchanged. Tasks without any gradient at shared elements,
    such as those without labels in the batch, have no part: `weigh` gets the k others, and its
    weights are scaled by k / T. Needs memory for T gradients of all parameters, and waits for the
    device, as the weights are computed on the CPU in float64.
    """

    def backward(
        self,
        losses: Tensor,
        parameters: Sequence[nn.Parameter],
        penalty: Tensor | None = None,
        present: Tensor | None = None,
    ) -> None:
        """See `Weighting.backward`."""
        reached, gradients = task_gradients(losses, parameters)  # [T, P]
        shared = gradients.ne(0).sum(dim=0) > 1  # [P]
        at_shared = gradients * shared
        weights = self._weights(at_shared @ at_shared.T).to(gradients)
        merged = torch.where(shared, weights @ at_shared, gradients.mean(dim=0))
        add_gradient(reached, merged)
        if penalty is not None:
            penalty.backward()  # type: ignore[no-untyped-call]

    def weigh(self, products: Tensor, tasks: Tensor) -> Tensor:
        """The weights of k >= 2 gradients, whose mean is 1 if the gradients are all equal.

        products [k, k] float64: their dot products, scaled to the trace 1; tasks [k]: their
        numbers -> [k].
        """
        raise NotImplementedError

    def _weights(self, products: Tensor) -> Tensor:
        """Factors of the gradients in their sum: products [T, T] -> [T] float64."""
        found = products.detach().double().cpu()
        norms = found.diagonal()
        weights = torch.ones(self.tasks, dtype=torch.float64)
        tasks = norms.nonzero().flatten()
        # Gradients that aren't numbers stay so; the loss, which is none either, ends the run.
        if len(tasks) > 1 and norms.isfinite().all():
            own = found[tasks[:, None], tasks] / norms.sum()
            weights[tasks] = self.weigh(own, tasks)
        return weights / self.tasks
