"""Data with missing labels and a task of classes, in a program."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import lightgbm
import polars as pl
import pytest
import torch
from torch import Tensor

import emm
from emm.core.errors import DecompositionError, ModelFileError, ParamsError
from emm.data.tables.names import GROUP, GROUPS, label_column
from emm.data.tables.schema import write_schema
from emm.metrics.classes import macro_auc
from emm.metrics.ranking import auc
from tests.fusion.partly_labelled import make_partly_labelled, with_classes
from tests.training.tiny import NUMBERS, TASKS

QUICK: dict[str, Any] = {"blocks": [[6, 4]], "tower": [3], "max_epochs": 1, "device": "cpu"}


def save(folder: Path) -> None:
    context = make_partly_labelled()
    write_schema(context.schema, folder / "schema.json")
    splits = {"train": context.train, "validation": context.validation, "test": with_classes(90, 2)}
    for name, rows in splits.items():
        columns = {column: rows.dense[:, n].numpy() for n, column in enumerate(NUMBERS)}
        columns["id"] = rows.sparse[:, 0].numpy()
        labels = {label_column(task): rows.labels[:, n].numpy() for n, task in enumerate(TASKS)}
        frame = pl.DataFrame(columns | labels)
        frame = frame.with_columns(
            pl.col(label_column("t0")).fill_nan(None).cast(pl.UInt8),
            pl.col(label_column("t1")).fill_nan(None).cast(pl.UInt16),
        )
        frame.write_parquet(folder / f"{name}.parquet")
    groups = pl.int_range(len(context.train), dtype=pl.Int32, eager=True).alias(GROUP)
    groups.to_frame().write_parquet(folder / GROUPS)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> emm.Dataset:
    folder = tmp_path_factory.mktemp("data")
    save(folder)
    return emm.load_dataset(folder, device="cpu")


@pytest.fixture(scope="module")
def members(data: emm.Dataset) -> list[emm.Model]:
    """A network of each task."""
    return [emm.fit(data, task=task, **QUICK) for task in TASKS]


@pytest.fixture(scope="module")
def booster(data: emm.Dataset) -> lightgbm.Booster:
    rows = data.split("train").task(1)
    columns = torch.cat([rows.dense, rows.sparse.float()], dim=1).numpy()
    quiet = {"objective": "multiclass", "num_class": 3, "verbosity": -1, "num_threads": 1}
    table = lightgbm.Dataset(columns, rows.labels[:, 0].numpy(), params=quiet)
    return lightgbm.train(quiet, table, 2)


def labelled(data: emm.Dataset, logits: Tensor, task: int) -> tuple[Tensor, Tensor]:
    """The logits and labels of the labelled rows of test."""
    labels = data.test.labels[:, task]
    known = ~labels.isnan()
    return logits[known], labels[known]


def test_a_network_of_a_task_has_its_logits(data: emm.Dataset, members: list[emm.Model]) -> None:
    assert [each.predict(data).shape for each in members] == [(90, 1), (90, 3)]


def test_scores_are_those_of_the_labelled_rows(data: emm.Dataset, members: list[emm.Model]) -> None:
    binary, grade = (emm.evaluate(each, data) for each in members)
    logits, labels = labelled(data, members[0].predict(data)[:, 0], 0)
    assert binary["t0"]["auc"] == pytest.approx(auc(logits, labels))
    logits, labels = labelled(data, members[1].predict(data), 1)
    assert grade["t1"]["auc"] == pytest.approx(macro_auc(logits, labels))


def test_a_multi_task_network_has_a_column_for_each_class(data: emm.Dataset) -> None:
    model = emm.fit(data, "shared_bottom", bottom=[6], tower=[3], max_epochs=1)
    assert model.predict(data).shape == (90, 4)
    scores = emm.evaluate(model, data, split="validation")
    found = [scores[task]["auc"] for task in TASKS]
    assert found == pytest.approx(list(model.epochs[0].scores))


def test_the_plain_average_of_a_pool(
    data: emm.Dataset, members: list[emm.Model], booster: lightgbm.Booster, tmp_path: Path
) -> None:
    booster.save_model(tmp_path / "trees.txt")
    trees = emm.load(tmp_path / "trees.txt", data, task="t1")
    average = emm.fuse([*members, trees], data, variant="ensemble").predict(data)
    torch.testing.assert_close(average[:, :1], members[0].predict(data))
    columns = torch.cat([data.test.dense, data.test.sparse.float()], dim=1).numpy()
    raw = torch.tensor(booster.predict(columns, raw_score=True)).float()
    torch.testing.assert_close(average[:, 1:], (members[1].predict(data) + raw) / 2)


def test_a_fused_model_can_be_saved_and_loaded(
    data: emm.Dataset, members: list[emm.Model], tmp_path: Path
) -> None:
    fused = emm.fuse(members, data, max_epochs=1)
    fused.save(tmp_path / "fused")
    assert torch.equal(emm.load(tmp_path / "fused", data).predict(data), fused.predict(data))
    assert fused.predict(data).shape == (90, 4)


def test_trees_of_another_kind_of_task_are_an_error(
    data: emm.Dataset, booster: lightgbm.Booster, tmp_path: Path
) -> None:
    booster.save_model(tmp_path / "trees.txt")
    with pytest.raises(ModelFileError, match="isn't a binary classifier"):
        emm.load(tmp_path / "trees.txt", data, task="t0")
    schema = replace(data.context.schema, kinds={"t0": "regression", "t1": "classes"})
    numbers = replace(data, context=replace(data.context, schema=schema))
    with pytest.raises(ParamsError, match="can't be loaded for a regression task"):
        emm.load(tmp_path / "trees.txt", numbers, task="t0")


def test_a_network_of_another_task_joins_no_pool(
    data: emm.Dataset, members: list[emm.Model]
) -> None:
    about = replace(members[0].description, tasks=("t1",))
    with pytest.raises(DecompositionError, match="doesn't fit its task"):
        emm.decompose([*members, replace(members[0], description=about)], data)
