"""The rows on which the stacking of one task is fitted."""

from collections.abc import Callable
from dataclasses import dataclass

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
        )
