"""The labels of train for a model's losses, where some may be missing."""

from collections.abc import Callable

from torch import Tensor, nn

from emm.core.errors import DataError
from emm.data.tables.rows import Rows


def rows_to_learn(model: nn.Module, train: Rows) -> Rows:
    """The rows of train with the labels on which ``model`` learns.

    If labels may be missing, a model with ``complete_labels(labels)`` fills in those that others
    imply. Raises DataError if a task has no label at all.
    """
    complete: Callable[[Tensor], Tensor] | None = getattr(model, "complete_labels", None)
    if complete is not None and train.partly_labelled:
        train = train.with_labels(complete(train.labels))
    counts = rows_per_task(train).tolist()
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
    """Number of labelled rows of each task, [T]."""
    return (~rows.labels.isnan()).sum(dim=0)
