"""Processes of DVC, each in a process group with the command of its stage."""

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
    """Start ``dvc repro --single-item`` of the stage; its output goes to ``log``."""
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
    """Terminate the commands of the stages; after ``grace`` seconds, kill the process groups.

    DVC gets no signal: it may be writing dvc.lock, which would be left truncated. It ends when its
    command has ended.
    """
    waiting = [child for child in children if child.process.poll() is None]
    signalled: set[int] = set()
    deadline = time.monotonic() + grace
    try:
        while _alive(waiting) and time.monotonic() < deadline:
            for child in _alive(waiting):
                _terminate_below(child.process.pid, signalled)
            time.sleep(_POLL_SECONDS)
    finally:
        for child in waiting:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child.process.pid, signal.SIGKILL)
            child.process.wait()


def exists(number: int) -> bool:
    """Whether a process of this number runs."""
    import psutil

    return bool(psutil.pid_exists(number))


def _alive(children: Iterable[Child]) -> list[Child]:
    return [child for child in children if child.process.poll() is None]


def _terminate_below(number: int, signalled: set[int]) -> None:
    """Send SIGTERM to the descendants of a process, once: a second would stop their clean-up."""
    import psutil

    with suppress(psutil.NoSuchProcess):
        for process in psutil.Process(number).children(recursive=True):
            if process.pid not in signalled:
                signalled.add(process.pid)
                with suppress(psutil.NoSuchProcess):
                    process.terminate()
