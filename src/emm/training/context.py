"""What all training stages set up: data on its device, the schedule, arguments from data."""

from collections.abc import Mapping
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

import torch

from emm.core.errors import DataError
from emm.core.process import keep_freed_memory
from emm.data.tables.memory import open_splits
from emm.data.tables.rows import Rows
from emm.data.tables.schema import Schema, load_schema, schema_hash
from emm.nn.bags import BagStore
from emm.nn.inputs import Inputs
from emm.training.bags import load_bags
from emm.training.devices import use_device
from emm.training.distributed import join_processes
from emm.training.fit import Schedule
from emm.training.optimisers import Optimisation
from emm.training.settings import OptimiserSettings, TrainingSettings, no_funnel
from emm.training.store import Description, inputs_of


@dataclass(frozen=True)
class TrainingContext:
    """Train and validation on their device, and the identity of their encoding."""

    schema: Schema
    schema_sha256: str
    inputs: Inputs
    train: Rows
    validation: Rows
    device: torch.device
    recipe: str
    bags: BagStore | None = None

    def describe(
        self, name: str, architecture: str, arguments: Mapping[str, Any], seed: int
    ) -> Description:
        """The description, for model.json, of a model of all tasks trained here."""
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
    )


def schedule_of(training: TrainingSettings, optimiser: OptimiserSettings) -> Schedule:
    """The schedule given by the settings of the recipe and of the model."""
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
        compile=training.compile,
        precision=training.precision,
    )


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
