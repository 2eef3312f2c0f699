"""Locks between real processes."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from emm.core.locks import is_awaited

HOLDER = """
import sys
from pathlib import Path
from emm.core.locks import hold
hold(Path(sys.argv[1]), Path("data/out"))
hold(Path(sys.argv[1]), Path("data/out"))
print("held", flush=True)
sys.stdin.read()
"""
Process = subprocess.Popen[str]


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "out.lock"


@pytest.fixture
def start(lock: Path) -> Iterator[Callable[[], Process]]:
    """Start processes that hold the lock until their standard input ends."""
    started: list[Process] = []

    def go() -> Process:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        words = [sys.executable, "-c", HOLDER, str(lock)]
        started.append(subprocess.Popen(words, text=True, **pipes))
        return started[-1]

    yield go
    for process in started:
        with process:
            process.kill()


def line(file: IO[str] | None) -> str:
    assert file
    return file.readline().strip()


@pytest.mark.parametrize("killed", [True, False])
def test_a_second_process_waits_and_names_the_first(
    start: Callable[[], Process], lock: Path, killed: bool
) -> None:
    first = start()
    assert line(first.stdout) == "held"
    assert not is_awaited(lock)
    second = start()
    assert line(second.stderr) == f"waiting for process {first.pid}, which is writing data/out"
    while not is_awaited(lock):
        time.sleep(0.01)
    assert lock.read_text() == str(first.pid)
    if killed:
        first.send_signal(signal.SIGKILL)
    else:
        first.stdin.close()
    assert line(second.stderr) == "it has ended; writing data/out"
    assert line(second.stdout) == "held"
    assert lock.read_text() == str(second.pid)
    assert not is_awaited(lock)
