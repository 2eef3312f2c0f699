"""The settings of a task of custom data."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from emm.config.binding import bind
from emm.data.tables.schema import BINARY, CLASSES


@dataclass(frozen=True)
class CustomTask:
    """A label: a column or a Polars SQL expression over columns.

    Attributes:
        expression: the column, or the expression. No column that it reads is a feature.
        kind: binary, regression or classes.
        made_from: further columns that reveal the label, which therefore become no features.
        positive: the value that is 1 in a binary task; all others are 0.
        classes: the classes in order; by default that of their numbers or names.
    """

    expression: str
    kind: Literal["binary", "regression", "classes"] = "binary"
    made_from: tuple[str, ...] = ()
    positive: Any = None
    classes: tuple[Any, ...] = ()


def bind_task(value: Any, where: str, errors: list[str]) -> CustomTask:
    """The settings of a task; a column or an expression without settings is binary.

    Appends every fault to ``errors``.
    """
    keys = {"expression": value} if isinstance(value, str) else value
    task: CustomTask = bind(CustomTask, keys, where, errors)
    errors.extend(_faults(task, where) if task else ())
    return task


def _faults(task: CustomTask, where: str) -> Iterator[str]:
    """What is wrong with the settings of a task."""
    if task.positive is not None and task.kind != BINARY:
        yield f"{where}.positive: got kind: {task.kind}, expected it for a binary task"
    if task.classes and task.kind != CLASSES:
        yield f"{where}.classes: got kind: {task.kind}, expected kind: classes"
    distinct = len({*map(str, task.classes)})
    if task.classes and (distinct == 1 or distinct < len(task.classes)):
        yield f"{where}.classes: got {list(task.classes)}, expected two or more different classes"
