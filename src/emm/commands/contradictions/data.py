"""Contradictions within data.yaml, and between it and the recipe."""

import re
from collections.abc import Iterator

from emm.commands.contradictions.known import Known
from emm.core.errors import ParamsError, nearest
from emm.data.datasets.known import KNOWN_TASKS, WEIGHTED
from emm.data.tables.schema import BINARY

_FOLDERS = re.compile(r"fold-\d+|\.{1,2}|.*[/\\].*")


def data_contradictions(known: Known) -> Iterator[ParamsError]:
    """What data.yaml says of tasks and columns, and what the recipe wants of them."""
    yield from _tasks(known)
    yield from _columns(known)
    yield from _weights(known)


def _tasks(known: Known) -> Iterator[ParamsError]:
    where, tasks = f"{known.data.path}: tasks", known.tasks
    if known.custom is None:
        yield from _registered(known)
    if len(set(tasks)) < len(tasks):
        yield ParamsError(
            "a task is listed twice",
            where=where,
            got=", ".join(tasks),
            next_step="list each task once",
        )
    for task in filter(_FOLDERS.fullmatch, tasks):
        yield ParamsError(
            f"no task can be called {task!r}: models of a task are in a folder of its name",
            where=where,
            expected="a name without / and \\, other than fold-0, fold-1, ...",
            next_step="give the task another name",
        )
    for task in known.preprocess.funnel:
        if known.kinds[task] != BINARY:
            yield ParamsError(
                f"the funnel has the task {task!r}, which isn't binary",
                where=f"{known.data.path}: preprocess.funnel",
                got=f"kind: {known.kinds[task]}",
                expected="two binary tasks",
                next_step="write `funnel: []`, or name binary tasks",
            )


def _registered(known: Known) -> Iterator[ParamsError]:
    if known.source not in KNOWN_TASKS:
        yield ParamsError(
            f"{known.source!r} is neither a registered dataset nor described in `custom`",
            where=known.data.path,
            got="no section custom",
            expected=f"custom: {{tasks: ..., split: ...}}, or one of {', '.join(KNOWN_TASKS)}",
            next_step="describe your files in the section custom (docs/custom-data.md), or name a "
            "registered dataset: `dataset: census-income`",
        )
        return
    tasks = KNOWN_TASKS[known.source]
    for task in known.tasks:
        if task not in tasks:
            yield ParamsError(
                f"{known.source} has no task {task!r}; {nearest(task, tasks)}",
                where=f"{known.data.path}: tasks",
                got=task,
                expected=f"one of {', '.join(tasks)}",
                next_step="correct the name",
            )


def _columns(known: Known) -> Iterator[ParamsError]:
    yield from _labels_in_roles(known)
    key, custom, kept = known.evaluate.gauc_key, known.custom, known.preprocess.keep
    if key is None or key in kept:
        return
    if custom is None:
        yield from _registered_group(known, key)
        return
    if key == custom.key:
        return
    roles = {"dense": custom.dense or (), "drop": custom.drop, "bags": custom.bags}
    roles["weight"] = (custom.weight,) if custom.weight else ()
    role = next((f"in {name}" for name, columns in roles.items() if key in columns), None)
    if role is None and custom.dense is not None and custom.sparse is not None:
        role = None if key in custom.sparse else "in no list of columns"
    if role:
        yield ParamsError(
            f"gauc_key is {key!r}, which isn't stored as it is: the column is {role}",
            where=f"{known.data.path}: evaluate.gauc_key",
            got=key,
            expected="a column of `sparse`, the `key`, or a column of preprocess.keep",
            next_step=f"write `keep: [{', '.join([*kept, key])}]` in preprocess",
        )


def _labels_in_roles(known: Known) -> Iterator[ParamsError]:
    """The column of a label tells nobody apart and orders nothing."""
    custom = known.custom
    if custom is None:
        return
    roles = {"key": custom.key, "split.column": custom.split and custom.split.column}
    for name, task in custom.custom_tasks.items():
        for role, column in roles.items():
            if column is not None and task.expression == column:
                yield ParamsError(
                    f"the label of {name!r} is also custom.{role}",
                    where=f"{known.data.path}: custom.{role}",
                    got=column,
                    expected="a column that is no label",
                    next_step="name the column of the user, the time or the split",
                )


def _registered_group(known: Known, key: str) -> Iterator[ParamsError]:
    if known.source not in KNOWN_TASKS:
        return
    # Imported here: it takes as long as everything else that is checked.
    from emm.data.datasets.dataset import load_dataset

    dataset = load_dataset(known.source)
    columns = [*dataset.sparse, *([dataset.key] if dataset.key else [])]
    if key not in columns:
        yield ParamsError(
            f"gauc_key is {key!r}, which isn't stored as it is; {nearest(key, columns)}",
            where=f"{known.data.path}: evaluate.gauc_key",
            got=key,
            expected=f"one of {', '.join(columns)}, or a column of preprocess.keep",
            next_step="correct the name",
        )


def _weights(known: Known) -> Iterator[ParamsError]:
    wanted = {
        f"{known.recipe.path}: training.sample_weights": known.training.sample_weights,
        f"{known.data.path}: evaluate.sample_weights": known.evaluate.sample_weights,
    }
    weight = known.preprocess.weight or (known.custom and known.custom.weight)
    if weight or (known.custom is None and known.source in WEIGHTED):
        return
    for where, needed in wanted.items():
        if needed:
            yield ParamsError(
                f"sample_weights is true, and {known.dataset} has no weights of rows",
                where=where,
                got="no column of weights",
                expected="`weight: column` in preprocess",
                next_step=f"name the column in {known.data.path}, or write `sample_weights: false`",
            )
