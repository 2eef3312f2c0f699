"""What every rule of loss weighting is."""

from collections.abc import Sequence

from torch import Tensor, nn


class Weighting(nn.Module):
    """How the losses of T tasks become one gradient; a rule overrides what it does otherwise.

    Rules with weights w_t keep sum_t w_t = T and take the mean over tasks of w_t L_t, so that
    every rule's gradient is of the size of the plain mean's and one learning rate serves all.
    A rule's learned weights are its parameters, for the caller's optimiser, without weight decay.
    What else it carries from step to step is in its state_dict.
    """

    def __init__(self, tasks: int) -> None:
        super().__init__()
        self.tasks = tasks

    @property
    def one_gradient(self) -> bool:
        """Whether it follows the gradient of one scalar, that of `combine`."""
        return type(self).backward is Weighting.backward

    def combine(self, losses: Tensor) -> Tensor:
        """The scalar whose gradient is followed; losses [T] -> scalar. Here: their mean."""
        return losses.mean()

    def backward(
        self, losses: Tensor, parameters: Sequence[nn.Parameter], penalty: Tensor | None = None
    ) -> None:
        """Add to .grad of ``parameters``, and of the rule's own, without waiting for the device.

        losses [T]: of each task, a mean over its rows; ``penalty`` (scalar): a model's own, added
        unweighted. All ``parameters`` require a gradient. The graph can't be used again.
        """
        total = self.combine(losses)
        if penalty is not None:
            total = total + penalty
        total.backward()  # type: ignore[no-untyped-call]

    def end_epoch(self, losses: Tensor) -> None:
        """Take note of the tasks' mean losses [T] over the epoch, without gradient."""
