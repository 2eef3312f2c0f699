"""`dvc repro` is killed while a network trains; the next one completes the stage."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.configuration import Tree
from tests.pipeline.workspace import CENSUS, PAPER, Workspace

pytestmark = pytest.mark.slow

STAGE = f"train@{CENSUS}-mmoe"
OUT = f"data/models/{CENSUS}/paper/mmoe"
LOCK = f".emm/locks/{OUT}.lock"


@pytest.fixture
def workspace(untouched: Workspace) -> Workspace:
    """A repository in which training takes some seconds and saves every checkpoint."""

    def lengthen(tree: Tree) -> None:
        tree["training"].update(max_epochs=60, patience=60)

    untouched.change(PAPER, lengthen)
    untouched.replace("src/emm/training/checkpoint.py", "EVERY_SECONDS = 20", "EVERY_SECONDS = 0")
    return untouched


def start(workspace: Workspace) -> "subprocess.Popen[str]":
    """Start ``dvc repro`` as leader of a process group, with its output in ``log``."""
    with (workspace.root / "log").open("w") as log:
        return subprocess.Popen(
            ["dvc", "repro", STAGE],
            cwd=workspace.root,
            env=workspace.environment(),
            stdout=log,
            stderr=log,
            text=True,
            start_new_session=True,
        )


def until(condition: Any, process: "subprocess.Popen[str]") -> None:
    while not condition():
        assert process.poll() is None
        time.sleep(0.02)


def training(workspace: Workspace) -> "subprocess.Popen[str]":
    """Start ``dvc repro`` and wait for the first checkpoint of a training."""
    process = start(workspace)
    until(lambda: list((workspace.root / ".emm/checkpoints").rglob("*.safetensors")), process)
    return process


def assert_result_as_without_a_kill(workspace: Workspace) -> None:
    """The stage is recorded, a rerun gives the same hashes, and only its lock file is left over."""
    assert not (workspace.root / ".emm/checkpoints" / OUT).exists()
    assert not list((workspace.root / OUT).parent.glob(".*"))
    assert ".emm" not in workspace.run("git", "status", "--porcelain").stdout
    lock = workspace.root / "dvc.lock"
    found = yaml.safe_load(lock.read_text())["stages"][STAGE]
    assert workspace.repro("--force", "--single-item", STAGE) == {STAGE}
    assert yaml.safe_load(lock.read_text())["stages"][STAGE] == found


def test_training_resumes_after_all_processes_are_killed(workspace: Workspace) -> None:
    process = training(workspace)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert "resumes after epoch" in workspace.run("dvc", "repro", STAGE).stderr
    assert_result_as_without_a_kill(workspace)


def test_next_run_takes_over_the_stage_if_only_dvc_is_killed(workspace: Workspace) -> None:
    process = training(workspace)
    process.kill()
    process.wait()
    stage = int((workspace.root / LOCK).read_text())
    os.kill(stage, signal.SIGSTOP)  # until the next run waits for it
    try:
        process = start(workspace)
        until(Path(f"{workspace.root / LOCK}.awaited").exists, process)
    finally:
        os.kill(stage, signal.SIGCONT)
    assert process.wait() == 0
    said = (workspace.root / "log").read_text()
    assert f"waiting for process {stage}, which is writing {OUT}" in said
    assert "seed-0+mmoe: trained before" in said
    assert_result_as_without_a_kill(workspace)
