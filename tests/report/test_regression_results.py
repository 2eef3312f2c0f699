"""Reading evaluations with a regression task."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from emm.core.errors import DataError
from emm.report.facts import DatasetFacts
from emm.report.predictions import read_predictions
from emm.report.results import read_results
from emm.report.summary import summarise

TASKS, KINDS = ("click", "price"), ("binary", "regression")


@pytest.fixture
def folder(tmp_path: Path, write_mixed: Callable[[Path, str], Path]) -> Path:
    return write_mixed(tmp_path, "emm")


@pytest.fixture
def mixed(facts: DatasetFacts) -> DatasetFacts:
    return replace(facts, tasks=TASKS, kinds=KINDS)


def damaged(folder: Path, name: str, change: Callable[[Any], object]) -> None:
    tree = json.loads((folder / name).read_text())
    change(tree)
    (folder / name).write_text(json.dumps(tree))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda task: task["r2"].pop(), "wrong length for price"),
        (lambda task: task["mae"].pop(), "wrong length for price"),
        (lambda task: task.update(r2=[1.1, 0.5]), r"price.r2\[0\]: got 1.1"),
        (lambda task: task.update(rmse=[-1.0, 0.5]), r"price.rmse\[0\]: got -1.0"),
        (lambda task: task.update(auc=[0.5, 0.5]), "price.auc: unknown key"),
    ],
)
def test_invalid_scores_are_rejected(
    folder: Path, change: Callable[[Any], object], message: str
) -> None:
    damaged(folder, "metrics.json", lambda tree: change(tree["tasks"]["price"]))
    with pytest.raises(DataError, match=message):
        read_results("emm", folder, TASKS, KINDS)


def test_r_squared_may_be_negative(folder: Path) -> None:
    damaged(folder, "metrics.json", lambda tree: tree["tasks"]["price"].update(r2=[-3.0, 0.5]))
    summary = summarise([read_results("emm", folder, TASKS, KINDS)], ())["emm"]
    assert summary.tasks["price"].score[0] == -1.25


@pytest.mark.parametrize("kinds", [(), ("regression", "binary")])
def test_tasks_of_other_kinds_are_rejected(folder: Path, kinds: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match="tasks of other kinds than the dataset"):
        read_results("emm", folder, TASKS, kinds)


def test_an_epoch_without_a_score_of_the_regression_is_rejected(folder: Path) -> None:
    damaged(folder, "history.json", lambda tree: tree["runs"][0]["epochs"][1].pop("r2"))
    with pytest.raises(DataError, match="lacks a score in epoch 2"):
        read_results("emm", folder, TASKS, KINDS)


def test_integer_labels_of_a_regression_are_rejected(folder: Path, mixed: DatasetFacts) -> None:
    stored = load_file(folder / "predictions.safetensors")
    save_file({**stored, "labels": stored["labels"].byte()}, folder / "predictions.safetensors")
    with pytest.raises(DataError, match="labels of another type"):
        read_predictions(read_results("emm", folder, TASKS, KINDS), mixed)


def test_float_labels_of_a_regression_are_read(folder: Path, mixed: DatasetFacts) -> None:
    found = read_predictions(read_results("emm", folder, TASKS, KINDS), mixed)
    assert torch.equal(found.labels[:, 1], found.logits[0, :, 1] / 2)
