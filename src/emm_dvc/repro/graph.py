"""The stages that a run visits, as DVC plans them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from emm.core.errors import EmmError
from emm.core.progress import say

_SOON_SECONDS = 20.0


class StageError(EmmError):
    """Stages failed, or DVC can't read the graph."""


@dataclass(frozen=True)
class Stage:
    """One stage.

    Attributes:
        name: as DVC's commands take it.
        upstream: stages whose results it reads.
        after: earlier stages that may not run at the same time.
        changed: whether it would run now.
        lock: the file with its entry.
        entry: its name in that file.
        outs: the paths of its results.
        shared: whether the remote carries both what it reads and what it writes.
    """

    name: str
    upstream: tuple[str, ...]
    after: tuple[str, ...]
    changed: bool
    lock: str | None
    entry: str | None
    outs: tuple[str, ...]
    shared: bool


@dataclass(frozen=True)
class Plan:
    """The stages in the order of a serial ``dvc repro``, the repository's root and its remote."""

    root: Path
    stages: Mapping[str, Stage]
    remote: str | None = None

    @cached_property
    def downstream(self) -> dict[str, set[str]]:
        """For each stage, those that read its results, directly or through others."""
        found: dict[str, set[str]] = {name: set() for name in self.stages}
        for name in reversed(list(self.stages)):
            for upstream in self.stages[name].upstream:
                found[upstream] |= {name, *found[name]}
        return found

    def entries(self) -> dict[str, list[str]]:
        """For each lock file, the names of the planned stages there, in order."""
        files: dict[str, list[str]] = {}
        for stage in self.stages.values():
            if stage.lock and stage.entry:
                files.setdefault(stage.lock, []).append(stage.entry)
        return files


def ask_plan(targets: Sequence[str]) -> Plan:
    """The stages that ``dvc repro targets`` would visit, and which of them have changed.

    Raises StageError with DVC's message if DVC can't read the graph or doesn't know a target.
    """
    with asking("plan", *targets) as process:
        answer = answer_of(process)
    stages = [_stage(one) for one in answer["stages"]]
    return Plan(Path(answer["root"]), {stage.name: stage for stage in stages}, answer["remote"])


def _stage(answer: dict[str, Any]) -> Stage:
    return Stage(**{**answer, **{key: tuple(answer[key]) for key in ("upstream", "after", "outs")}})


def start_asking(verb: str, *words: str) -> subprocess.Popen[str]:
    """Start :mod:`emm_dvc.repro.dvc_side`; :func:`answer_of` returns its answer."""
    return subprocess.Popen(
        [sys.executable, "-m", "emm_dvc.repro.dvc_side", verb, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # DVC's order of stages depends on the hashes of strings, which differ between processes.
        env={**os.environ, "PYTHONHASHSEED": "0"},
        start_new_session=True,
    )


@contextmanager
def asking(verb: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Start a question, and end its process with the block."""
    process = start_asking(verb, *words)
    try:
        yield process
    finally:
        finish(process)


def finish(process: subprocess.Popen[str]) -> None:
    """Wait for a question to end; kill one that still waits for DVC's lock.

    One that holds the lock may be writing a file, and must not be killed.
    """
    try:
        if process.returncode is None:
            process.communicate(timeout=_SOON_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    finally:
        process.kill()
        process.wait()


def answer_of(process: subprocess.Popen[str], message: object = None) -> Any:
    """Send ``message`` to the process, and wait for its answer."""
    try:
        answer, complaint = process.communicate(json.dumps(message), timeout=_SOON_SECONDS)
    except subprocess.TimeoutExpired:
        say("waiting for DVC, which reads the graph or is locked by another command")
        answer, complaint = process.communicate()
    if process.returncode == 0:
        return json.loads(answer)
    if "No module named 'dvc'" in complaint:
        raise StageError("DVC isn't installed", next_step="pip install 'emm[pipeline]'")
    raise StageError(f"DVC can't read the graph: {complaint.strip()}", next_step="dvc dag")
