from dataclasses import replace
from math import nan
from pathlib import Path

import pytest
import torch

from emm.data.tables.rows import RowTensors
from emm.data.tables.schema import Split, schema_hash
from emm.data.tables.stream import Stream
from emm.nn.inputs import Inputs
from emm.training.context import open_context, schedule_of
from emm.training.optimisers import Optimisation
from emm.training.settings import OptimiserSettings
from tests.training.tiny import (
    IDENTITY,
    SCHEMA,
    TASKS,
    make_context,
    save_processed,
    table,
    training,
)


def test_the_schedule_takes_its_settings_from_both_sections() -> None:
    rule = {"rule": "dwa"}
    protocol = training(optimiser="adamw", lr_schedule="one-cycle", ema_decay=0.9, max_epochs=7)
    found = schedule_of(protocol, OptimiserSettings(0.03, 0.2, rule), SCHEMA)
    assert found.optimisation == Optimisation(0.03, 0.2, "adamw", "one-cycle", 0.9)
    assert (found.batch_size, found.max_epochs, found.patience) == (64, 7, 2)
    assert found.weighting == rule


def test_the_defaults_are_adam_and_equal_weights() -> None:
    found = schedule_of(training(), OptimiserSettings(0.03, 0.2), SCHEMA)
    assert found.optimisation == Optimisation(0.03, 0.2, "adam", "constant", 0.0)
    assert found.weighting == {"rule": "equal"}


def test_a_description_names_the_data_and_the_recipe() -> None:
    context = make_context()
    about = context.describe("narrow", "single_task", {"tower": [3]}, 5)
    assert (about.name, about.architecture, about.seed) == ("narrow", "single_task", 5)
    assert (about.schema_sha256, about.tasks, about.dataset) == (IDENTITY, TASKS, "tiny")
    assert (about.recipe, about.inputs) == ("tuned", context.inputs)


@pytest.fixture
def processed(tmp_path: Path) -> Path:
    save_processed(tmp_path / "processed")
    return tmp_path / "processed"


def test_train_and_validation_are_loaded_without_test(processed: Path) -> None:
    context, own = open_context(processed, "paper", training()), make_context()
    for found, rows in ((context.train, own.train), (context.validation, own.validation)):
        assert torch.equal(found.dense, rows.dense)
        assert torch.equal(found.sparse, rows.sparse)
        assert torch.equal(found.labels, rows.labels)
    assert context.schema == own.schema
    assert context.schema_sha256 == schema_hash(processed / "schema.json")
    assert context.inputs == Inputs(2, (4,), edges=((0.25, 0.5, 0.75),) * 2)
    assert context.recipe == "paper"


def test_only_train_rows_are_weighted_and_only_on_request(processed: Path) -> None:
    assert open_context(processed, "paper", training()).train.weights is None
    context = open_context(processed, "paper", training(sample_weights=True))
    assert context.train.weights is not None
    assert context.train.weights[:4].tolist() == [1, 2, 3, 1]
    assert context.validation.weights is None


def test_memory_decides_whether_a_split_is_streamed(processed: Path) -> None:
    held = open_context(processed, "paper", training(sample_weights=True), memory_gib=1.0)
    small = open_context(processed, "paper", training(sample_weights=True), memory_gib=1e-6)
    assert (type(held.train), type(held.validation)) == (RowTensors, RowTensors)
    assert (type(small.train), type(small.validation)) == (Stream, Stream)
    assert small.train.weights is not None
    assert torch.equal(small.train.weights, held.train.weights)
    assert torch.equal(small.validation.labels, held.validation.labels)


def test_the_context_of_a_task_has_its_labelled_rows_and_its_schema_only() -> None:
    labels = torch.tensor([[1.0, 2.0], [nan, 0.0], [0.0, nan], [1.0, 1.0]])
    kinds = ("binary", "classes")
    rows = replace(table(4, 0), labels=labels, kinds=kinds, outputs=(1, 3), partly_labelled=True)
    schema = replace(
        SCHEMA,
        kinds=dict(zip(TASKS, kinds, strict=True)),
        classes={"t1": ("a", "b", "c")},
        splits={"train": Split(4, {"t0": 0.5}, labelled={"t0": 3, "t1": 3})},
        funnel=TASKS,
    )
    context = replace(make_context(), schema=schema, train=rows, validation=rows)
    first, second = context.task(0), context.task(1)
    assert (first.schema.tasks, first.schema.task_kinds, first.schema.outputs) == (("t0",), (), ())
    assert (second.schema.task_kinds, second.schema.outputs) == (("classes",), (3,))
    assert first.schema.splits["train"] == Split(3, {"t0": 0.5})
    assert not second.schema.partly_labelled
    assert second.schema.funnel == ()
    assert first.train.labels.tolist() == [[1], [0], [1]]
    assert second.validation.labels.tolist() == [[2.0], [0.0], [1.0]]


def test_the_schedule_of_a_task_has_its_positive_weight() -> None:
    protocol = training(positive_weight={"t1": 3.0})
    found = schedule_of(protocol, OptimiserSettings(), SCHEMA)
    assert found.positive_weights == (1.0, 3.0)
    assert found.task(1).positive_weights == (3.0,)
    assert schedule_of(training(), OptimiserSettings(), SCHEMA).task(1).positive_weights == ()
