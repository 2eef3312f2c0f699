"""Failing stages print one message, return an exit code and leave no partial files."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.configuration import Change, Tree
from tests.pipeline.workspace import CENSUS, DATA, PAPER, Workspace, pin_raw


def failure(workspace: Workspace, script: str, *words: str, code: int = 1) -> str:
    """Run a stage that must fail, check what holds for every failure, and return the message."""
    found = workspace.stage(script, *words)
    assert found.returncode == code, found.stdout + found.stderr
    assert "Traceback" not in found.stderr
    assert found.stderr.count("error: ") == 1
    assert_no_partial_files(workspace)
    return found.stderr


def assert_no_partial_files(workspace: Workspace) -> None:
    data = workspace.root / "data"
    assert [path for path in data.rglob("*.tmp")] == []


def source_file(workspace: Workspace, name: str = "census-income.data") -> Path:
    return workspace.root / "given" / name


def with_raw(workspace: Workspace, change: Callable[[Path], object]) -> Workspace:
    """Download the raw files, then change one, after their hashes were checked."""
    assert workspace.stage("download", CENSUS).returncode == 0
    change(workspace.root / "data" / "raw" / CENSUS / "census-income.data")
    return workspace


def test_truncated_source_file(untouched: Workspace) -> None:
    file = source_file(untouched)
    file.write_bytes(file.read_bytes()[:-100])
    message = failure(untouched, "download", CENSUS)
    assert "census-income.data" in message
    assert "source.path" in message
    assert not (untouched.root / "data").exists() or not list(
        (untouched.root / "data/raw").iterdir()
    )


def test_wrong_hash(untouched: Workspace) -> None:
    file = source_file(untouched)
    content = bytearray(file.read_bytes())
    content[0:1] = b"9"
    file.write_bytes(content)
    message = failure(untouched, "download", CENSUS)
    assert "sha256" in message


def test_nonexistent_source_path(untouched: Workspace) -> None:
    untouched.change(DATA, lambda tree: tree["source"].update(path="nowhere"))
    assert "nowhere" in failure(untouched, "download", CENSUS)


def remove_a_column(path: Path) -> None:
    path.write_text("\n".join(line.partition(", ")[2] for line in path.read_text().splitlines()))


def remove_a_field(path: Path) -> None:
    lines = path.read_text().splitlines()
    lines[9] = lines[9].rpartition(", ")[0]
    path.write_text("\n".join(lines))


@pytest.mark.parametrize(("change", "line"), [(remove_a_column, 1), (remove_a_field, 10)])
def test_missing_column_or_field(
    untouched: Workspace, change: Callable[[Path], object], line: int
) -> None:
    message = failure(with_raw(untouched, change), "preprocess", CENSUS)
    assert f"line {line}\n" in message
    assert "41 fields instead of 42" in message


def set_unknown_key(tree: Tree) -> None:
    tree["preprocess"]["sed"] = 1


def set_unknown_model_key(tree: Tree) -> None:
    tree["train"]["mmoe"]["learning_rat"] = 1


@pytest.mark.parametrize(
    ("file", "change", "stage", "expected"),
    [
        (DATA, set_unknown_key, ("preprocess", CENSUS), "did you mean 'seed'?"),
        (PAPER, set_unknown_model_key, ("train", CENSUS, "mmoe"), "did you mean 'learning_rate'?"),
    ],
)
def test_unknown_key(
    untouched: Workspace, file: str, change: Change, stage: tuple[str, ...], expected: str
) -> None:
    untouched.change(file, change)
    message = failure(untouched, *stage, code=2)
    assert expected in message
    assert file in message
    assert "emm check" in message


def test_unknown_task(untouched: Workspace) -> None:
    untouched.change(DATA, lambda tree: tree.update(tasks=["incom"]))
    message = failure(untouched, "preprocess", CENSUS, code=2)
    assert "no task is called 'incom'; did you mean 'income'?" in message


def test_unknown_dataset(untouched: Workspace) -> None:
    assert "census-income" in failure(untouched, "preprocess", "censu", code=2)


def test_missing_data(untouched: Workspace) -> None:
    message = failure(untouched, "preprocess", CENSUS)
    assert "dvc repro" in message


FILE_SIZE_LIMIT = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.slow  # after a whole run
@pytest.mark.parametrize(
    ("command", "out"),
    [
        (("preprocess", CENSUS), f"data/processed/{CENSUS}"),
        (("train", CENSUS, "mmoe"), f"data/models/{CENSUS}/paper/mmoe"),
        (("report", CENSUS), f"reports/{CENSUS}"),
    ],
)
def test_full_disk(done: Workspace, command: tuple[str, ...], out: str) -> None:
    """A limit on file size stands for a full disk."""
    before = sorted(path.name for path in (done.root / out).rglob("*"))
    script, *words = command
    found = done.run(
        "python", "-B", "-c", FILE_SIZE_LIMIT, f"stages/{script}.py", *words, check=False
    )
    assert found.returncode == 1, found.stderr
    assert f"{Path(out).name} could not be written" in found.stderr
    assert "Traceback" not in found.stderr
    assert_no_partial_files(done)
    assert sorted(path.name for path in (done.root / out).rglob("*")) == before


@pytest.mark.slow  # after a whole run
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_and_termination(done: Workspace, number: signal.Signals) -> None:
    done.change(PAPER, lambda tree: tree["training"].update(max_epochs=100_000, patience=100_000))
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
    assert "interrupted; run the same command again" in message
    assert "Traceback" not in message
    assert sorted(path.name for path in models.iterdir()) == before


@pytest.mark.slow  # after a whole run
def test_modified_model_file(done: Workspace) -> None:
    file = next((done.root / "data/models" / CENSUS / "paper/mmoe").rglob("model.safetensors"))
    file.chmod(0o644)
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert "altered or truncated" in failure(done, "evaluate", CENSUS, "mmoe")


def test_leaking_column_stops_the_pipeline(untouched: Workspace) -> None:
    for name in ("census-income.data", "census-income.test"):
        rows = [line.split(", ") for line in source_file(untouched, name).read_text().splitlines()]
        for row in rows:
            row[1] = "rich" if row[41] == "50000+." else "poor"
        source_file(untouched, name).write_text("\n".join(", ".join(row) for row in rows) + "\n")
    pin_raw(untouched)
    found = untouched.run("dvc", "repro", check=False)
    assert found.returncode != 0
    assert "'class_of_worker' alone ranks 'income'" in found.stderr
    assert not (untouched.root / "data" / "models").exists()
