"""The stages that a run visits, as DVC plans them, and what may run next."""

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

from emm.core.progress import say
from emm_dvc.repro.errors import StageError

_SOON_SECONDS = 20.0


@dataclass(frozen=True)
class Stage:
    """One stage under the name that DVC's commands take.

    ``upstream`` are the stages whose results it reads, ``after`` those that merely may not run at
    the same time. ``lock`` and ``entry`` say where its results, ``outs``, are noted. ``shared``
    means that other machines get what it reads, and pass on what it makes, through the remote.
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
    """The stages in the order of a serial ``dvc repro``, the repository's root, its remote."""

    root: Path
    stages: Mapping[str, Stage]
    remote: str | None = None

    @cached_property
    def downstream(self) -> dict[str, set[str]]:
        """All stages that read a stage's results, directly or through others."""
        found: dict[str, set[str]] = {name: set() for name in self.stages}
        for name in reversed(list(self.stages)):
            for upstream in self.stages[name].upstream:
                found[upstream] |= {name, *found[name]}
        return found

    def entries(self) -> dict[str, list[str]]:
        """For each lock file the names that the planned stages have there, in order."""
        files: dict[str, list[str]] = {}
        for stage in self.stages.values():
            if stage.lock and stage.entry:
                files.setdefault(stage.lock, []).append(stage.entry)
        return files


def ask_plan(targets: Sequence[str]) -> Plan:
    """What ``dvc repro targets`` would visit and which stages have changed already.

    Raises StageError with DVC's words if it can't read the graph or doesn't know a target.
    """
    with asking("plan", *targets) as process:
        answer = answer_of(process)
    stages = [_stage(one) for one in answer["stages"]]
    return Plan(Path(answer["root"]), {stage.name: stage for stage in stages}, answer["remote"])


def _stage(told: dict[str, Any]) -> Stage:
    return Stage(**{**told, **{key: tuple(told[key]) for key in ("upstream", "after", "outs")}})


def start_asking(verb: str, *words: str) -> subprocess.Popen[str]:
    """A process of :mod:`emm_dvc.repro.dvc_side`; :func:`answer_of` gives what it says."""
    return subprocess.Popen(
        [sys.executable, "-m", "emm_dvc.repro.dvc_side", verb, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # DVC's order of stages hangs on the hashes of strings, which change with every process.
        env={**os.environ, "PYTHONHASHSEED": "0"},
        start_new_session=True,
    )


@contextmanager
def asking(verb: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    """The same, and nothing of it is left behind."""
    process = start_asking(verb, *words)
    try:
        yield process
    finally:
        finish(process)


def finish(process: subprocess.Popen[str]) -> None:
    """Let a question end; one that still waits for DVC's lock is killed.

    Killed while it holds the lock, it could leave a cut file behind that stops DVC.
    """
    try:
        if process.returncode is None:
            process.communicate(timeout=_SOON_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    finally:
        process.kill()
        process.wait()


def answer_of(process: subprocess.Popen[str], told: object = None) -> Any:
    """What the process answers to ``told``, once it is done."""
    try:
        answer, complaint = process.communicate(json.dumps(told), timeout=_SOON_SECONDS)
    except subprocess.TimeoutExpired:
        say("DVC reads the graph, or another command of DVC holds its lock")
        answer, complaint = process.communicate()
    if process.returncode == 0:
        return json.loads(answer)
    if "No module named 'dvc'" in complaint:
        raise StageError("DVC isn't installed", next_step="pip install 'emm[pipeline]'")
    raise StageError(f"DVC can't read the graph: {complaint.strip()}", next_step="dvc dag")
