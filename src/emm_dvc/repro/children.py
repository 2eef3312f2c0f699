"""DVC's processes, each with the command of its stage in a process group of their own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

GRACE_SECONDS = 30.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Child:
    """A running ``dvc repro`` of one stage."""

    stage: str
    process: subprocess.Popen[bytes]
    log: Path


def start(stage: str, options: Iterable[str], log: Path, variables: Mapping[str, str]) -> Child:
    """Start ``dvc repro`` of the stage alone; all that it says goes to ``log``."""
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item", *options]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*command, stage],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, **variables},
            start_new_session=True,
        )
    return Child(stage, process, log)


def end(children: Iterable[Child], grace: float = GRACE_SECONDS) -> None:
    """End the stages' commands, then DVC by itself; after ``grace`` seconds whole groups at once.

    DVC isn't told to stop: it may be writing dvc.lock, which a signal would leave cut off. It ends
    when its command has ended.
    """
    waiting = [child for child in children if child.process.poll() is None]
    told: set[int] = set()
    deadline = time.monotonic() + grace
    try:
        while _alive(waiting) and time.monotonic() < deadline:
            for child in _alive(waiting):
                _terminate_below(child.process.pid, told)
            time.sleep(_POLL_SECONDS)
    finally:
        for child in waiting:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child.process.pid, signal.SIGKILL)
            child.process.wait()


def exists(number: int) -> bool:
    """Whether there is a process of this number."""
    import psutil

    return bool(psutil.pid_exists(number))


def _alive(children: Iterable[Child]) -> list[Child]:
    return [child for child in children if child.process.poll() is None]


def _terminate_below(number: int, told: set[int]) -> None:
    """SIGTERM to what a process has started, once each: a second would cut its tidying short."""
    import psutil

    with suppress(psutil.NoSuchProcess):
        for process in psutil.Process(number).children(recursive=True):
            if process.pid not in told:
                told.add(process.pid)
                with suppress(psutil.NoSuchProcess):
                    process.terminate()
