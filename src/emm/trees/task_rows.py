"""The rows of one task in the form that libraries of boosted trees read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emm.core.errors import DataError
from emm.data.tables.rows import RowTensors
from emm.data.tables.schema import BINARY, CLASSES, REGRESSION

Array = NDArray[Any]


@dataclass(frozen=True)
class TaskRows:
    """The labelled rows of one task.

    Attributes:
        kind: of the task.
        outputs: number of classes of a task of classes, otherwise 1.
        columns: dense features, then ids: [N, D + F] float64.
        labels: [N]; 0 or 1, the number of a class, or a standardised value.
        weights: [N] of the rows in the loss, None if all are equal.
    """

    kind: str
    outputs: int
    columns: Array
    labels: Array
    weights: Array | None


def rows_by_task(
    rows: RowTensors,
    split: str,
    fields: int,
    positive_weights: Sequence[float] = (),
    tasks: Sequence[str] = (),
) -> Iterator[TaskRows]:
    """The labelled rows of each task.

    ``split``, ``tasks``: named in errors; ``fields``: number of sparse fields that trees read,
    without bags; ``positive_weights``: factor of the weight of positive rows by task, () if all are
    1. Raises DataError if a task has no label, or only equal ones.
    """
    _check_labels(rows, split, tasks)
    every_row = _columns(rows, fields)
    for task in range(rows.labels.shape[1]):
        columns, own = every_row, rows.task(task)
        if rows.partly_labelled:
            columns = every_row[~rows.labels[:, task].isnan().cpu().numpy()]
        kind = own.kinds[0] if own.kinds else BINARY
        labels = own.labels[:, 0].cpu().numpy()
        labels = labels.astype(np.float64) if kind == REGRESSION else labels.astype(np.int64)
        weights = None if own.weights is None else own.weights.cpu().numpy()
        if positive_weights and positive_weights[task] != 1:
            factors = np.where(labels == 1, positive_weights[task], 1.0)
            weights = factors if weights is None else weights * factors
        yield TaskRows(kind, own.outputs[0] if own.outputs else 1, columns, labels, weights)


def of_known_classes(held_out: TaskRows, train: TaskRows) -> TaskRows:
    """The rows of ``held_out`` whose class occurs in ``train``: trees can't predict another one."""
    if train.kind != CLASSES:
        return held_out
    known = np.isin(held_out.labels, train.labels)
    return replace(held_out, columns=held_out.columns[known], labels=held_out.labels[known])


def _columns(rows: RowTensors, fields: int) -> Array:
    # Trees don't read bags, whose column follows the fields.
    dense, sparse = rows.dense.cpu().numpy(), rows.sparse[:, :fields].cpu().numpy()
    return np.concatenate([dense.astype(np.float64), sparse.astype(np.float64)], axis=1)


def _check_labels(rows: RowTensors, split: str, tasks: Sequence[str]) -> None:
    kinds = rows.kinds or (BINARY,) * rows.labels.shape[1]
    for task, kind in enumerate(kinds):
        labels = rows.labels[:, task]
        labels = labels[~labels.isnan()] if rows.partly_labelled else labels
        if not bool((labels != labels[:1]).any()):
            raise DataError(
                "trees can't be fitted: all labels are equal",
                where=f"task {tasks[task] if tasks else task} in {split}",
                got=f"{len(labels)} rows with the same label" if len(labels) else "no label",
                expected="rows of both classes" if kind == BINARY else "at least two values",
                next_step="see the labels of each split in the output of the stage check-data",
            )
