"""The labels and soft targets of train for a model's losses, where labels may be missing."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from emm.core.errors import DataError
from emm.data.tables.rows import Rows
from emm.data.tables.soft_targets import with_soft_targets


def rows_to_learn(model: nn.Module, train: Rows) -> Rows:
    """The rows of train with the labels and soft targets on which ``model`` learns.

    If labels may be missing, a model with ``complete_labels(labels)`` fills in those that others
    imply. A model with ``soft_targets(logits)`` changes those of a teacher into its own kind.
    Raises DataError if a task has no label at all.
    """
    complete: Callable[[Tensor], Tensor] | None = getattr(model, "complete_labels", None)
    if complete is not None and train.partly_labelled:
        train = train.with_labels(complete(train.labels))
    change: Callable[[Tensor], Tensor] | None = getattr(model, "soft_targets", None)
    if change and train.soft_targets is not None and train.distillation is not None:
        train = with_soft_targets(train, change(train.soft_targets), train.distillation)
    counts = _labelled(train).tolist()
    if not all(counts):
        raise DataError(
            "a task has no labelled row to learn from",
            where="train",
            got=f"labelled rows of each task, in their order: {', '.join(map(str, counts))}",
            expected="at least one row per task",
            next_step="add labelled rows, or leave the task out",
        )
    return train


def rows_per_task(rows: Rows) -> Tensor:
    """Number of rows that each task learns on, [T]: those with a label, or with a soft target."""
    if rows.soft_targets is None:
        return _labelled(rows)
    return torch.full_like(rows.labels[0], len(rows), dtype=torch.int64)


def _labelled(rows: Rows) -> Tensor:
    return (~rows.labels.isnan()).sum(dim=0)
