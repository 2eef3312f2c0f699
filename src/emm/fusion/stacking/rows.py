"""The rows on which the stacking of one task is fitted."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from emm.nn.losses import row_losses


@dataclass(frozen=True)
class TaskRows:
    """Labelled rows of one task.

    Attributes:
        logits: of the task's members, [N, M, C] float32.
        dense, sparse: the features, [N, D] and [N, F].
        others: logits of the members of the other tasks, [N, Q]; Q = 0 if they aren't read.
        labels: [N] float32.
        kind: of the task.
        folds: number of each row's fold, [N] int64; rows of a group are in one fold.
        groups: number of each row's group, [N] int64.
        weights: of the rows in the loss, [N]; None weighs all equally.
        of_other_tasks: how many of the members, the last ones, are those of other tasks. They join
            a task with one logit; the plain average is that of the task's own members.
    """

    logits: Tensor
    dense: Tensor
    sparse: Tensor
    others: Tensor
    labels: Tensor
    kind: str
    folds: Tensor
    groups: Tensor
    weights: Tensor | None = None
    of_other_tasks: int = 0

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def members(self) -> int:
        return self.logits.shape[1]

    @property
    def outputs(self) -> int:
        return self.logits.shape[2]

    def at(self, rows: Tensor) -> "TaskRows":
        """The rows of a mask, or with these numbers."""
        return self._each(lambda column: column[rows])

    def fold(self, number: int, *, inside: bool) -> "TaskRows":
        """The rows of a fold, or all others."""
        return self.at((self.folds == number) == inside)

    def at_most(self, count: int) -> "TaskRows":
        """At most so many rows, spread evenly."""
        if len(self) <= count:
            return self
        return self.at(torch.linspace(0, len(self) - 1, count, dtype=torch.float64).round().long())

    def losses(self, predictions: Tensor) -> Tensor:
        """The weighted loss of each row, [N]; predictions [N, C]."""
        found = row_losses(predictions, self.labels.to(predictions.dtype), self.kind)
        return found if self.weights is None else found * self.weights / self.weights.mean()

    def loss(self, predictions: Tensor) -> Tensor:
        """The mean loss; predictions [N, C]."""
        return self.losses(predictions).mean()

    def _each(self, change: Callable[[Tensor], Tensor]) -> "TaskRows":
        return TaskRows(
            logits=change(self.logits),
            dense=change(self.dense),
            sparse=change(self.sparse),
            others=change(self.others),
            labels=change(self.labels),
            kind=self.kind,
            folds=change(self.folds),
            groups=change(self.groups),
            weights=None if self.weights is None else change(self.weights),
            of_other_tasks=self.of_other_tasks,
        )

    def joined(self) -> "TaskRows":
        """The same with the logits of other tasks' members as further members, see `joined`."""
        logits, others = joined(self.logits, self.others)
        count = logits.shape[1] - self.logits.shape[1]
        return replace(self, logits=logits, others=others, of_other_tasks=count)


def joined(own: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Logits [B, M, C] of a task's members and [B, Q] of others, as those of M + Q members.

    Also returns what remains of the others: all of them if the task has several classes, which only
    the boosted correction reads then.
    """
    if own.shape[2] > 1:
        return own, others
    return torch.cat([own, others.unsqueeze(2)], dim=1), others[:, :0]
