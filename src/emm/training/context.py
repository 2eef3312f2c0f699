"""What all training stages set up: data on its device, the schedule, arguments from data."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

import torch

from emm.core.errors import DataError
from emm.core.process import keep_freed_memory
from emm.data.tables.memory import open_splits
from emm.data.tables.rows import Rows
from emm.data.tables.schema import BINARY, Schema, Split, load_schema, schema_hash
from emm.metrics.funnels import is_given_click
from emm.nn.bags import BagStore
from emm.nn.inputs import Inputs
from emm.training.bags import load_bags
from emm.training.devices import use_device
from emm.training.distributed import join_processes
from emm.training.fit import Schedule
from emm.training.optimisers import Optimisation
from emm.training.part_settings import WHOLE, Part, hidden_columns
from emm.training.parts import rows_of_part
from emm.training.robust import robust_scales
from emm.training.settings import (
    OptimiserSettings,
    TrainingSettings,
    no_funnel,
    positive_weights,
)
from emm.training.store import Description, inputs_of


@dataclass(frozen=True)
class TrainingContext:
    """Train and validation on their device, and the identity of their encoding.

    ``processed``: the folder they are from; ``hidden``: positions of the columns that a model
    doesn't read, see `emm.training.part_settings.hidden_columns`.
    """

    schema: Schema
    schema_sha256: str
    inputs: Inputs
    train: Rows
    validation: Rows
    device: torch.device
    recipe: str
    bags: BagStore | None = None
    processed: Path = Path()
    hidden: tuple[int, ...] = ()

    def task(self, number: int) -> "TrainingContext":
        """The context of one task: its labelled rows, and a schema of these."""
        return replace(
            self,
            schema=_schema_of_task(self.schema, self.schema.tasks[number]),
            train=self.train.task(number),
            validation=self.validation.task(number),
        )

    def of_part(self, part: Part) -> "TrainingContext":
        """The context of a model that knows a part of the table: the rows that it learns on, and
        the columns that it reads. Raises ParamsError for a part that the table doesn't have."""
        if part == WHOLE:
            return self
        train, validation = (
            rows_of_part(rows, part, self.schema, self.processed, split)
            for rows, split in ((self.train, "train"), (self.validation, "validation"))
        )
        hidden = hidden_columns(part, self.schema)
        return replace(self, train=train, validation=validation, hidden=hidden)

    def describe(
        self, name: str, architecture: str, arguments: Mapping[str, Any], seed: int
    ) -> Description:
        """The description, for model.json, of a model of all the context's tasks."""
        return Description(
            architecture=architecture,
            arguments=arguments,
            inputs=self.inputs,
            tasks=self.schema.tasks,
            name=name,
            dataset=self.schema.dataset,
            schema_sha256=self.schema_sha256,
            recipe=self.recipe,
            seed=seed,
        )


def open_context(
    processed: Path, recipe: str, training: TrainingSettings, memory_gib: float | None = None
) -> TrainingContext:
    """Open train and validation, never test.

    Splits that don't fit into ``memory_gib`` GiB of memory are streamed; None: two thirds of the
    free memory.
    """
    schema = load_schema(processed / "schema.json")
    keep_freed_memory()
    where = use_device(
        training.device,
        training.threads,
        portable=training.portable,
        deterministic=training.deterministic,
        tf32=training.precision == "tf32",
    )
    join_processes(where)
    splits = open_splits(
        processed,
        ("train", "validation"),
        schema,
        where,
        weighted=("train",) if training.sample_weights else (),
        memory_gib=memory_gib,
    )
    return TrainingContext(
        schema=schema,
        schema_sha256=schema_hash(processed / "schema.json"),
        inputs=inputs_of(schema),
        train=splits["train"],
        validation=splits["validation"],
        device=where,
        recipe=recipe,
        bags=load_bags(processed, schema, where),
        processed=processed,
    )


def schedule_of(
    training: TrainingSettings, optimiser: OptimiserSettings, schema: Schema
) -> Schedule:
    """The schedule of a model of all tasks, from the settings of the recipe and of the model.

    Raises ParamsError for a ``positive_weight`` of a task that doesn't exist or isn't binary.
    """
    return Schedule(
        optimisation=Optimisation(
            learning_rate=optimiser.learning_rate,
            weight_decay=optimiser.weight_decay,
            optimiser=training.optimiser,
            lr_schedule=training.lr_schedule,
            ema_decay=training.ema_decay,
        ),
        weighting=optimiser.weighting,
        batch_size=training.batch_size,
        max_epochs=training.max_epochs,
        patience=training.patience,
        choose_by=training.choose_by,
        compile=training.compile,
        precision=training.precision,
        positive_weights=positive_weights(
            training.positive_weight, schema.tasks, schema.task_kinds
        ),
    )


def arguments_of_data(architecture: Any, schema: Schema, train: Rows) -> dict[str, Any]:
    """The keyword arguments of ``architecture`` that the data determines; {} for most models.

    ``funnel``: indices of the two tasks, such as click and conversion; ``given_click``: whether
    conversions are known after a click only; ``fields``: names of the sparse fields; ``outputs``:
    number of logits of each task; ``task_names`` and ``kinds``: of the tasks; ``scales``: of the
    dense features, see `robust_scales`. The defaults of ``given_click``, ``kinds`` and ``outputs``
    are left out, and so is ``funnel`` if the dataset has none and the model can do without. Raises
    ParamsError if the model needs a funnel and the dataset has none, DataError if train has a
    conversion without a click.
    """
    wanted = signature(architecture).parameters
    found: dict[str, Any] = {}
    if "funnel" in wanted and (schema.funnel or wanted["funnel"].default is Parameter.empty):
        found["funnel"] = _funnel(architecture.__name__, schema, train)
    if "given_click" in wanted and "funnel" in found and schema.partly_labelled:
        given_click = is_given_click(train.labels[:, list(schema.steps)])
        found |= {"given_click": True} if given_click else {}
    if "fields" in wanted:
        found["fields"] = schema.sparse_names
    if "task_names" in wanted:
        found["task_names"] = schema.tasks
    if "kinds" in wanted and schema.kinds:
        found["kinds"] = schema.task_kinds
    if "scales" in wanted and schema.dense:
        found["scales"] = robust_scales(train)
    if "outputs" in wanted and schema.outputs:
        found["outputs"] = schema.outputs
    return found


def _schema_of_task(schema: Schema, task: str) -> Schema:
    """A schema of the labelled rows of one task, without the others."""

    def own(values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if name == task}

    splits = {
        name: Split(
            split.labelled_rows(task),
            own(split.positive_rate),
            own(split.mean),
            own(split.class_rates),
        )
        for name, split in schema.splits.items()
    }
    kinds = {name: kind for name, kind in own(schema.kinds).items() if kind != BINARY}
    return replace(
        schema,
        tasks=(task,),
        splits=splits,
        kinds=kinds,
        targets=own(schema.targets),
        classes=own(schema.classes),
        funnel=(),
    )


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
