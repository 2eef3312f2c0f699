"""Faults of entries that depend on the kind of their task; see also tests/commands."""

from pathlib import Path

import pytest

from emm.outside.entries import entry_faults
from emm.outside.settings import Gives, OutsideModel

TASKS = {"rich": "binary", "size": "classes", "income": "regression"}


def faults(folder: Path, task: str, gives: Gives | None) -> list[str]:
    (folder / "m.onnx").touch()
    entry = OutsideModel(task, model=str(folder / "m.onnx"), gives=gives, reference="none")
    return [str(fault) for fault in entry_faults(entry, TASKS, "conf")]


@pytest.mark.parametrize(
    ("task", "gives"),
    [
        ("rich", None),
        ("rich", "probability"),
        ("size", "logit"),
        ("income", "value"),
        ("income", None),
    ],
)
def test_what_a_model_of_a_task_gives(tmp_path: Path, task: str, gives: Gives | None) -> None:
    assert faults(tmp_path, task, gives) == []


@pytest.mark.parametrize(
    ("task", "gives", "expected"),
    [
        ("rich", "value", "probability or logit"),
        ("size", "value", "probability or logit"),
        ("income", "logit", "value, of a regression"),
        ("income", "probability", "value, of a regression"),
    ],
)
def test_what_no_model_of_a_task_gives(
    tmp_path: Path, task: str, gives: Gives, expected: str
) -> None:
    (found,) = faults(tmp_path, task, gives)
    assert found.startswith("the key gives doesn't fit its entry")
    assert f"got: gives: {gives}" in found
    assert f"expected: {expected}" in found
