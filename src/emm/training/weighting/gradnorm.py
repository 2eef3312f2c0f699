"""GradNorm: gradient norms that follow the tasks' learning rates. Chen et al., ICML 2018."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from emm.config.binding import NotNegative, Positive
from emm.core.errors import ParamsError
from emm.training.weighting.base import Weighting

# Steps within which a parameter shared by all tasks must be found. The first step may not do: a
# layer that starts at zero, like the corrections of an aligned EMM, stops the gradients below it.
SEARCH_STEPS = 20
# Keeps weights positive: a step larger than the weight would flip the sign of the task's loss. The
# paper leaves this open.
_LEAST_WEIGHT = 1e-3


class GradNorm(Weighting):
    """1/T sum_t w_t L_t, with w_t adapted so that all tasks learn at similar rates.

    The target of G_t = ||grad_W w_t L_t|| is mean(G) r_t^alpha, where r_t is L_t / L_t(0) divided
    by its mean over tasks, and L_t(0) is the loss of the first batch with labels of t. After the
    model's gradient is taken, each step moves w by ``learning_rate`` against the gradient of
    sum_t |G_t - mean(G) r_t^alpha|, with the second term held constant, and scales sum_t w_t to T.
    A larger ``alpha`` favours slow tasks more. W is the weight of the last shared layer in the
    order of the parameters (`shared_weight`), which is searched for in batches with labels of all
    tasks; weights are ones until it is found. Raises ParamsError after SEARCH_STEPS such batches
    without one. A task without labels in a batch keeps its w_t, and the means are over the others.
    Chen, Badrinarayanan, Lee and Rabinovich, "GradNorm: Gradient Normalization for Adaptive Loss
    Balancing in Deep Multitask Networks", ICML 2018, eqs. 1-2 and Algorithm 1.
    """

    weights: Tensor
    initial: Tensor

    def __init__(
        self, tasks: int, *, alpha: NotNegative = 1.5, learning_rate: Positive = 0.025
    ) -> None:
        super().__init__(tasks)
        self.alpha, self.learning_rate = alpha, learning_rate
        self.register_buffer("weights", torch.ones(tasks))
        self.register_buffer("initial", torch.full((tasks,), torch.nan))
        self._shared: int | None = None
        self._searched = 0

    def combine(self, losses: Tensor, present: Tensor | None = None) -> Tensor:
        """losses [T] -> scalar."""
        return (self.weights * losses).mean()

    def backward(
        self,
        losses: Tensor,
        parameters: Sequence[nn.Parameter],
        penalty: Tensor | None = None,
        present: Tensor | None = None,
    ) -> None:
        """See `Weighting.backward`; then update the tasks' weights."""
        found = losses.detach()
        first = self.initial.isnan() if present is None else self.initial.isnan() & present
        self.initial.copy_(torch.where(first, found, self.initial))
        if self._shared is None and (present is None or bool(present.all())):
            self._shared = self._search(losses, parameters)
        norms = None if self._shared is None else _norms(losses, parameters[self._shared])
        super().backward(losses, parameters, penalty, present)
        if norms is not None:
            self._move(found, norms, present)

    def get_extra_state(self) -> Tensor:
        """The index of W, -1 until it is found, and the number of steps searched."""
        return torch.tensor([-1 if self._shared is None else self._shared, self._searched])

    def set_extra_state(self, state: Tensor) -> None:
        """Restore what `get_extra_state` returned."""
        shared, self._searched = state.tolist()
        self._shared = None if shared < 0 else shared

    def _search(self, losses: Tensor, parameters: Sequence[nn.Parameter]) -> int | None:
        number = shared_weight(losses, parameters)
        self._searched += 1
        if number is None and self._searched >= SEARCH_STEPS:
            raise ParamsError(
                "gradnorm needs a weight that learns from every task, and this model has none",
                where="weighting.rule",
                got=f"no shared weight in {SEARCH_STEPS} steps",
                next_step="choose another weighting rule for this model",
            )
        return number

    def _move(self, losses: Tensor, norms: Tensor, present: Tensor | None) -> None:
        """Update the tasks' weights; losses, norms ||grad_W L_t||, present [T]."""
        progress = losses / self.initial
        scaled = self.weights * norms  # G_t, as w_t is positive
        target = _mean(scaled, present) * (progress / _mean(progress, present)) ** self.alpha
        slope = torch.sign(scaled - target) * norms
        moved = (self.weights - self.learning_rate * slope).clamp(min=_LEAST_WEIGHT)
        if present is None:
            self.weights.copy_(self.tasks * moved / moved.sum())
            return
        # The sum of the weights of the present tasks stays, too.
        scale = (self.weights * present).sum() / (moved * present).sum()
        self.weights.copy_(torch.where(present, scale * moved, self.weights))


def shared_weight(losses: Tensor, parameters: Sequence[nn.Parameter]) -> int | None:
    """Index of the last of ``parameters`` that is the weight of a shared layer, or None.

    A weight is shared if at one of its elements the gradients of all tasks are not zero; towers
    stacked into one tensor, one slice per task, are not shared. losses [T]; their graph is kept.
    Waits for the device.
    """
    gradients = [
        torch.autograd.grad(loss, tuple(parameters), retain_graph=True, allow_unused=True)
        for loss in losses.unbind()
    ]
    for number in reversed(range(len(parameters))):
        own = [gradient[number] for gradient in gradients]
        reached = [part for part in own if part is not None]
        if len(reached) < len(own) or not _is_weight(parameters, number):
            continue
        if torch.stack(reached).ne(0).all(dim=0).any():
            return number
    return None


def _is_weight(parameters: Sequence[nn.Parameter], number: int) -> bool:
    """Whether it is neither a bias nor a scale; stacked biases [G, out] follow their weight.

    The gradient of a bias below a batch norm consists of rounding errors, whose norm means nothing.
    """
    shape = parameters[number].shape
    return len(shape) > 1 and not (number and shape == parameters[number - 1].shape[:-1])


def _norms(losses: Tensor, weight: nn.Parameter) -> Tensor:
    """||grad L_t|| with respect to ``weight``; losses [T] -> [T]."""
    each = [
        torch.autograd.grad(loss, weight, retain_graph=True, materialize_grads=True)[0]
        for loss in losses.unbind()
    ]
    return torch.stack([torch.linalg.vector_norm(gradient) for gradient in each])


def _mean(values: Tensor, present: Tensor | None) -> Tensor:
    """Mean over the present tasks; [T] -> scalar."""
    if present is None:
        return values.mean()
    return values.where(present, 0.0).sum() / present.sum()
