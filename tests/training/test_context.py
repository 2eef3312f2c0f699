from pathlib import Path

import pytest
import torch

from emm.data.tables.rows import RowTensors
from emm.data.tables.schema import schema_hash
from emm.data.tables.stream import Stream
from emm.nn.inputs import Inputs
from emm.training.context import open_context, schedule_of
from emm.training.optimisers import Optimisation
from emm.training.settings import OptimiserSettings
from tests.training.tiny import IDENTITY, SCHEMA, TASKS, make_context, save_processed, training


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
    for found, table in ((context.train, own.train), (context.validation, own.validation)):
        assert torch.equal(found.dense, table.dense)
        assert torch.equal(found.sparse, table.sparse)
        assert torch.equal(found.labels, table.labels)
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
