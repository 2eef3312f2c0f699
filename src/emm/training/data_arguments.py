"""Arguments of a model that come from the data: its funnel, and the names of its fields."""

from inspect import signature
from typing import Any

from emm.core.errors import DataError, ParamsError
from emm.data.tables.batches import Rows
from emm.data.tables.schema import Schema


def arguments_of_data(architecture: Any, schema: Schema, train: Rows) -> dict[str, Any]:
    """Those of ``architecture``'s keywords that the data decides, checked; {} for most models.

    ``funnel``: numbers of the tasks of a click and of the conversion after it; ``fields``: names of
    the sparse fields. Raises ParamsError if a funnel is wanted and the dataset has none, DataError
    if train has a conversion without a click.
    """
    wanted = signature(architecture).parameters
    found: dict[str, Any] = {}
    if "funnel" in wanted:
        found["funnel"] = _funnel(architecture.__name__, schema, train)
    if "fields" in wanted:
        found["fields"] = schema.sparse_names
    return found


def _funnel(model: str, schema: Schema, train: Rows) -> list[int]:
    if not schema.funnel:
        raise no_funnel(model, schema.dataset, schema.tasks)
    click, conversion = schema.steps
    impossible = (train.labels[:, click] == 0) & (train.labels[:, conversion] == 1)
    count = int(impossible.sum())
    if count:
        first, second = schema.funnel
        raise DataError(
            f"{model} needs a funnel, and the tasks of {schema.dataset} aren't one",
            where="train.parquet",
            got=f"{second} without {first} in {count:,} of {len(train):,} rows",
            expected=f"no {second} without {first}",
            next_step=f"leave these rows out, correct the order in {schema.dataset}.preprocess."
            "funnel, or train another model",
        )
    return [click, conversion]


def no_funnel(model: str, dataset: str, tasks: tuple[str, ...]) -> ParamsError:
    """The error of a model of funnels on a dataset that says nothing of one."""
    return ParamsError(
        f"{model} needs a funnel, and the tasks of {dataset} aren't declared as one",
        where=f"{dataset}.preprocess.funnel in params.yaml",
        got=f"no funnel among {', '.join(tasks)}",
        expected="two tasks in their order, such as [click, purchase]",
        next_step=f"name them there if every row with the second has the first; else take {model} "
        "out of `baselines`",
    )
