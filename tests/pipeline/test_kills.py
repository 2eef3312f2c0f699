"""`dvc repro` that is killed while a network trains, and the one after it."""

import os
import signal
import subprocess
import time
from typing import Any

import pytest
import yaml

from tests.pipeline.workspace import CENSUS, Workspace

STAGE = f"train@{CENSUS}-mmoe"
OUT = f"data/models/{CENSUS}/paper/mmoe"


def lengthen(tree: dict[str, Any]) -> None:
    tree[CENSUS]["paper"]["training"].update(max_epochs=150, patience=150)


def start(workspace: Workspace) -> "subprocess.Popen[bytes]":
    """A run that has come to the point where training has a checkpoint."""
    process = subprocess.Popen(
        ["dvc", "repro", STAGE],
        cwd=workspace.root,
        env=workspace.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    kept = workspace.root / ".emm/checkpoints" / OUT
    while not list(kept.glob("*.safetensors")):
        assert process.poll() is None
        time.sleep(0.05)
    return process


def result(workspace: Workspace) -> Any:
    return yaml.safe_load((workspace.root / "dvc.lock").read_text())["stages"][STAGE]["outs"]


@pytest.mark.parametrize(
    ("alone", "said"),
    [(True, ["waiting for process", "trained before"]), (False, ["goes on after epoch"])],
    ids=["dvc-alone", "with-its-children"],
)
def test_the_next_run_takes_over_what_is_done(
    untouched: Workspace, alone: bool, said: list[str]
) -> None:
    untouched.change_params(lengthen)
    untouched.replace("src/emm/training/checkpoint.py", "EVERY_SECONDS = 20", "EVERY_SECONDS = 0")
    process = start(untouched)
    (os.kill if alone else os.killpg)(process.pid, signal.SIGKILL)
    process.wait()
    found = untouched.run("dvc", "repro", STAGE)
    assert f"Running stage '{STAGE}'" in found.stdout
    assert [words for words in said if words not in found.stderr] == []
    assert not (untouched.root / ".emm/checkpoints" / OUT).exists()
    assert untouched.run("git", "status", "--porcelain", ".emm").stdout == ""
    taken_over = result(untouched)
    assert untouched.repro("--force", "--single-item", STAGE) == {STAGE}
    assert result(untouched) == taken_over
