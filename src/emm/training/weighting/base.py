"""The base class of the loss-weighting rules."""

from collections.abc import Sequence

from torch import Tensor, nn


class Weighting(nn.Module):
    """How the losses of T tasks become one gradient.

    Rules with weights w_t keep sum_t w_t = T and take the mean over tasks of w_t L_t: the gradients
    of all rules then have the size of the plain mean's, and one learning rate works for all. The
    caller's optimiser trains a rule's parameters without weight decay. Everything that a rule
    carries from step to step is in its state_dict.
    """

    def __init__(self, tasks: int) -> None:
        super().__init__()
        self.tasks = tasks

    @property
    def one_gradient(self) -> bool:
        """Whether it follows the gradient of the one scalar that `combine` returns."""
        return type(self).backward is Weighting.backward

    def combine(self, losses: Tensor) -> Tensor:
        """The scalar whose gradient is followed, here the mean; losses [T] -> scalar."""
        return losses.mean()

    def backward(
        self, losses: Tensor, parameters: Sequence[nn.Parameter], penalty: Tensor | None = None
    ) -> None:
        """Add to .grad of ``parameters`` and of the rule's own, without waiting for the device.

        losses [T]: mean over rows of each task; ``penalty`` (scalar): that of the model, added
        unweighted. All ``parameters`` require a gradient. The graph can't be used again.
        """
        total = self.combine(losses)
        if penalty is not None:
            total = total + penalty
        total.backward()  # type: ignore[no-untyped-call]

    def end_epoch(self, losses: Tensor) -> None:
        """Called after each epoch with the tasks' mean losses [T], without gradient."""
