"""The base classes of the loss-weighting rules."""

from collections.abc import Sequence

from torch import Tensor, nn

from emm.data.tables.rows import RowTensors
from emm.nn.row_means import per_process
from emm.training.forward import Forward


class Weighting(nn.Module):
    """How the losses of T tasks become one gradient.

    Rules with weights w_t keep sum_t w_t = T and take the mean over tasks of w_t L_t: the gradients
    of all rules then have the size of the plain mean's, and one learning rate works for all. A task
    without a labelled row in the batch has the loss 0 without a gradient, and what the rule keeps
    of the task stays as it is. The caller's optimiser trains a rule's parameters without weight
    decay. Everything that a rule carries from step to step is in its state_dict.
    """

    def __init__(self, tasks: int) -> None:
        super().__init__()
        self.tasks = tasks

    @property
    def one_gradient(self) -> bool:
        """Whether it follows the gradient of the one scalar that `combine` returns."""
        return type(self).backward is Weighting.backward

    @property
    def may_compile(self) -> bool:
        """Whether it needs neither the graph of a batch nor its losses twice, as compiled steps use
        their buffers again."""
        return self.one_gradient and type(self).after_step is Weighting.after_step

    def combine(self, losses: Tensor, present: Tensor | None = None) -> Tensor:
        """The scalar whose gradient is followed, here the mean; arguments as for `backward`."""
        return losses.mean()

    def backward(
        self,
        losses: Tensor,
        parameters: Sequence[nn.Parameter],
        penalty: Tensor | None = None,
        present: Tensor | None = None,
    ) -> None:
        """Add to .grad of ``parameters`` and of the rule's own.

        Rules that don't solve a problem at each step do so without waiting for the device.

        Args:
            losses: mean over labelled rows of each task, [T].
            parameters: all require a gradient.
            penalty: that of the model, scalar, added unweighted.
            present: whether each task has labelled rows in the batch, [T] bool; None: all have.

        The graph can't be used again.
        """
        total = self.combine(losses, present)
        if penalty is not None:
            total = total + penalty
        total.backward()  # type: ignore[no-untyped-call]

    def after_step(self, forward: Forward, batch: RowTensors) -> None:
        """Called after the model's step with the batch and the function that gives its losses."""

    def end_epoch(self, losses: Tensor) -> None:
        """Called after each epoch with the tasks' mean losses [T], without gradient."""


class LossWeighting(Weighting):
    """1/T sum_t w_t L_t with weights that depend on the values of the losses themselves."""

    def combine(self, losses: Tensor, present: Tensor | None = None) -> Tensor:
        """losses [T] -> scalar."""
        # Several processes have a part of the batch each, and one set of weights.
        return (self.weigh(per_process(losses.detach()), present) * losses).mean()

    def weigh(self, losses: Tensor, present: Tensor | None) -> Tensor:
        """The weights w [T] at these losses [T], which have no gradient."""
        raise NotImplementedError
