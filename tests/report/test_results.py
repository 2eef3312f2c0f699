"""Reading evaluation folders; every error names the file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emm.core.errors import DataError
from emm.report.results import read_results

TASKS = ("income", "never-married")
AUCS = {"income": [0.95, 0.96], "never-married": [0.99, 0.98]}


@pytest.fixture
def folder(tmp_path: Path, write_evaluation: Callable[..., Path]) -> Path:
    return write_evaluation(tmp_path, "mmoe", AUCS)


def edit(path: Path, change: Callable[[Any], object]) -> None:
    tree = json.loads(path.read_text())
    change(tree)
    path.write_text(json.dumps(tree))


def test_scores_and_history_are_read(folder: Path) -> None:
    results = read_results("mmoe", folder, TASKS)
    assert results.evaluation.seeds == (0, 1)
    assert results.evaluation.tasks["never-married"].auc == (0.99, 0.98)
    assert [run.best_epoch for run in results.runs] == [2, 2]


def test_a_single_task_model_has_a_run_per_task(
    tmp_path: Path, write_evaluation: Callable[..., Path]
) -> None:
    results = read_results("tm-1", write_evaluation(tmp_path, "tm-1", AUCS, tasks=TASKS), TASKS)
    assert [(run.seed, run.task) for run in results.runs] == [(s, t) for s in (0, 1) for t in TASKS]
    assert not results.runs[0].covers("never-married")


def test_the_error_for_a_missing_folder_names_the_model(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="mmoe has not been evaluated") as caught:
        read_results("mmoe", tmp_path / "mmoe", TASKS)
    assert "dvc repro" in str(caught.value)


@pytest.mark.parametrize("name", ["metrics.json", "history.json"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is missing"),
        ('{"model": "mm', "can't be read"),
        (b"\xff\xfe", "can't be read"),
        ('{"model": NaN}', "can't be read"),
        ("[]", "has unexpected content"),
        ("{}", "has unexpected content"),
    ],
)
def test_a_damaged_file_is_named(
    folder: Path, name: str, content: str | bytes | None, message: str
) -> None:
    path = folder / name
    path.unlink()
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=message) as caught:
        read_results("mmoe", folder, TASKS)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tree: tree.update(model="ple"), "belongs to another model"),
        (lambda tree: tree["tasks"].pop("income"), "has other tasks"),
        (lambda tree: tree["tasks"].update(click=tree["tasks"]["income"]), "has other tasks"),
        (lambda tree: tree.update(seeds=[]), "unusable seeds"),
        (lambda tree: tree.update(seeds=[3, 3]), "unusable seeds"),
        (lambda tree: tree["tasks"]["income"]["ece"].pop(), "wrong length for income"),
        (lambda tree: tree["tasks"]["income"].update(auc=[1.2, 0.9]), r"income.auc\[0\]: got 1.2"),
        (lambda tree: tree["tasks"]["income"].update(auc=["high", 0.9]), "expected a number"),
        (lambda tree: tree.update(parameters=None), "parameters: got null"),
        (lambda tree: tree.update(gain=1), "gain: unknown key"),
    ],
)
def test_invalid_metrics_are_rejected(
    folder: Path, change: Callable[[Any], object], message: str
) -> None:
    edit(folder / "metrics.json", change)
    with pytest.raises(DataError, match=message):
        read_results("mmoe", folder, TASKS)


def test_tasks_in_another_order_are_rejected(folder: Path) -> None:
    with pytest.raises(DataError, match="in another order"):
        read_results("mmoe", folder, TASKS[::-1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda run: run.update(seed=7), "one run for each seed and task"),
        (lambda run: run.update(task="income"), "one run for each seed and task"),
        (lambda run: run.update(task="click"), "unknown task"),
        (lambda run: run.update(best_epoch=9), "isn't among its epochs"),
        (lambda run: run.update(epochs=[]), "isn't among its epochs"),
        (lambda run: run["epochs"][1]["auc"].pop("income"), "lacks a score in epoch 2"),
        (lambda run: run["epochs"][1].update(epoch=-1), "at least 0"),
    ],
)
def test_an_invalid_history_is_rejected(
    folder: Path, change: Callable[[Any], object], message: str
) -> None:
    edit(folder / "history.json", lambda tree: change(tree["runs"][0]))
    with pytest.raises(DataError, match=message):
        read_results("mmoe", folder, TASKS)
