"""Arguments of a model that come from the data: the funnel, and the names of the fields."""

from inspect import signature
from typing import Any

from emm.core.errors import DataError
from emm.data.tables.rows import Rows
from emm.data.tables.schema import Schema
from emm.training.settings import no_funnel


def arguments_of_data(architecture: Any, schema: Schema, train: Rows) -> dict[str, Any]:
    """The keyword arguments of ``architecture`` that the data determines; {} for most models.

    ``funnel``: indices of the two tasks, such as click and conversion; ``fields``: names of the
    sparse fields. Raises ParamsError if the model needs a funnel and the dataset has none,
    DataError if train has a conversion without a click.
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
