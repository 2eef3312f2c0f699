"""What a person sees when something is wrong: one message, a code, and nothing half-written."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.workspace import CENSUS, Workspace, pin_raw


def refused(workspace: Workspace, script: str, *words: str, code: int = 1) -> str:
    """The message of a stage that must fail; checks what holds for every failure."""
    found = workspace.stage(script, *words)
    assert found.returncode == code, found.stdout + found.stderr
    assert "Traceback" not in found.stderr
    assert found.stderr.count("error: ") == 1
    assert_nothing_half_written(workspace)
    return found.stderr


def assert_nothing_half_written(workspace: Workspace) -> None:
    data = workspace.root / "data"
    assert [path for path in data.rglob("*.tmp")] == []


def given(workspace: Workspace, name: str = "census-income.data") -> Path:
    return workspace.root / "given" / name


def with_raw(workspace: Workspace, change: Callable[[Path], object]) -> Workspace:
    """Raw files as downloaded and then changed, past the check of their hashes."""
    assert workspace.stage("download", CENSUS).returncode == 0
    change(workspace.root / "data" / "raw" / CENSUS / "census-income.data")
    return workspace


def test_a_truncated_file(untouched: Workspace) -> None:
    file = given(untouched)
    file.write_bytes(file.read_bytes()[:-100])
    message = refused(untouched, "download", CENSUS)
    assert "census-income.data" in message
    assert "source.path" in message
    assert not (untouched.root / "data").exists() or not list(
        (untouched.root / "data/raw").iterdir()
    )


def test_a_wrong_hash(untouched: Workspace) -> None:
    file = given(untouched)
    content = bytearray(file.read_bytes())
    content[0:1] = b"9"
    file.write_bytes(content)
    message = refused(untouched, "download", CENSUS)
    assert "sha256" in message


def test_a_path_that_leads_nowhere(untouched: Workspace) -> None:
    untouched.change_params(lambda tree: tree[CENSUS]["source"].update(path="nowhere"))
    assert "nowhere" in refused(untouched, "download", CENSUS)


def cut_a_column(path: Path) -> None:
    path.write_text("\n".join(line.partition(", ")[2] for line in path.read_text().splitlines()))


def cut_a_row(path: Path) -> None:
    lines = path.read_text().splitlines()
    lines[9] = lines[9].rpartition(", ")[0]
    path.write_text("\n".join(lines))


@pytest.mark.parametrize(("change", "line"), [(cut_a_column, 1), (cut_a_row, 10)])
def test_a_missing_column_or_field(
    untouched: Workspace, change: Callable[[Path], object], line: int
) -> None:
    message = refused(with_raw(untouched, change), "preprocess", CENSUS)
    assert f"line {line}\n" in message
    assert "41 fields instead of 42" in message


def set_unknown_key(tree: dict[str, Any]) -> None:
    tree[CENSUS]["preprocess"]["sed"] = 1


def set_unknown_model_key(tree: dict[str, Any]) -> None:
    tree[CENSUS]["paper"]["train"]["mmoe"]["learning_rat"] = 1


@pytest.mark.parametrize(
    ("change", "stage", "expected"),
    [
        (set_unknown_key, ("preprocess", CENSUS), "did you mean 'seed'?"),
        (set_unknown_model_key, ("train", CENSUS, "mmoe"), "did you mean 'learning_rate'?"),
    ],
)
def test_an_unknown_key(
    untouched: Workspace, change: Callable[[Any], object], stage: tuple[str, ...], expected: str
) -> None:
    untouched.change_params(change)
    message = refused(untouched, *stage, code=2)
    assert expected in message
    assert "emm check" in message


def test_a_task_that_does_not_exist(untouched: Workspace) -> None:
    untouched.change_params(lambda tree: tree[CENSUS].update(tasks=["incom"]))
    message = refused(untouched, "preprocess", CENSUS, code=2)
    assert "no task is called 'incom'; did you mean 'income'?" in message


def test_a_dataset_that_does_not_exist(untouched: Workspace) -> None:
    assert "census-income" in refused(untouched, "preprocess", "censu", code=2)


def test_data_that_is_not_there(untouched: Workspace) -> None:
    message = refused(untouched, "preprocess", CENSUS)
    assert "dvc repro" in message


CRAMPED = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize(
    ("command", "out"),
    [
        (("preprocess", CENSUS), f"data/processed/{CENSUS}"),
        (("train", CENSUS, "mmoe"), f"data/models/{CENSUS}/paper/mmoe"),
        (("report", CENSUS), f"reports/{CENSUS}"),
    ],
)
def test_no_disk_space(done: Workspace, command: tuple[str, ...], out: str) -> None:
    """The kernel refuses to let any file grow past a few blocks, as a full disk would."""
    before = sorted(path.name for path in (done.root / out).rglob("*"))
    script, *words = command
    found = done.run("python", "-B", "-c", CRAMPED, f"stages/{script}.py", *words, check=False)
    assert found.returncode == 1, found.stderr
    assert f"{Path(out).name} could not be written" in found.stderr
    assert "Traceback" not in found.stderr
    assert_nothing_half_written(done)
    assert sorted(path.name for path in (done.root / out).rglob("*")) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_termination(done: Workspace, number: signal.Signals) -> None:
    done.change_params(
        lambda tree: tree[CENSUS]["paper"]["training"].update(max_epochs=100_000, patience=100_000)
    )
    models = done.root / "data" / "models" / CENSUS / "paper"
    before = sorted(path.name for path in models.iterdir())
    process = subprocess.Popen(
        [sys.executable, "stages/train.py", CENSUS, "mmoe"],
        cwd=done.root,
        env=done.environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not list(models.glob(".*.tmp")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    _, message = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; run it again" in message
    assert "Traceback" not in message
    assert sorted(path.name for path in models.iterdir()) == before


def test_a_model_file_that_was_altered(done: Workspace) -> None:
    file = next((done.root / "data/models" / CENSUS / "paper/mmoe").rglob("model.safetensors"))
    file.chmod(0o644)
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert "altered or cut off" in refused(done, "evaluate", CENSUS, "mmoe")


def test_a_leaking_column_stops_the_pipeline(untouched: Workspace) -> None:
    for name in ("census-income.data", "census-income.test"):
        rows = [line.split(", ") for line in given(untouched, name).read_text().splitlines()]
        for row in rows:
            row[1] = "rich" if row[41] == "50000+." else "poor"
        given(untouched, name).write_text("\n".join(", ".join(row) for row in rows) + "\n")
    pin_raw(untouched)
    found = untouched.run("dvc", "repro", check=False)
    assert found.returncode != 0
    assert "'class_of_worker' alone ranks 'income'" in found.stderr
    assert not (untouched.root / "data" / "models").exists()
