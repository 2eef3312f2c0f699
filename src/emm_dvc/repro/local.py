"""Slots of this machine; each runs one stage at a time."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from emm_dvc.repro.board import State
from emm_dvc.repro.children import Child, end, start

LOGS = Path(".dvc/tmp/emm-repro")


@dataclass(frozen=True)
class Ended:
    """How the run of a stage ended; ``blocker`` is the process that kept it from starting."""

    stage: str
    state: State
    note: str
    log: Path
    blocker: int = 0


class Engine(Protocol):
    """A way to run stages."""

    def free(self) -> bool:
        """Whether one more stage can start."""

    def start(self, stage: str) -> Path:
        """Start a stage; the path of its log."""

    def ended(self) -> list[Ended]:
        """The runs that have ended since the last call."""

    def stop(self) -> None:
        """End everything that runs."""


class Slots:
    """``jobs`` slots; with ``gpus``, each slot sees one of them, in turn."""

    def __init__(
        self, root: Path, jobs: int, gpus: Sequence[str] = (), options: Sequence[str] = ()
    ) -> None:
        self._root = root
        self._options = options
        self._gpus: dict[int, str] = {n: gpus[n % len(gpus)] for n in range(jobs) if gpus}
        self._slots: dict[int, Child | None] = dict.fromkeys(range(jobs))

    def free(self) -> bool:
        return None in self._slots.values()

    def start(self, stage: str) -> Path:
        slot = next(number for number, child in self._slots.items() if child is None)
        gpu = self._gpus.get(slot)
        variables = {} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu}
        child = start(stage, self._options, log_of(self._root, stage), variables)
        self._slots[slot] = child
        return child.log

    def ended(self) -> list[Ended]:
        found = []
        for slot, child in self._slots.items():
            if child is not None and child.process.poll() is not None:
                self._slots[slot] = None
                found.append(outcome(child))
        return found

    def stop(self) -> None:
        end([child for child in self._slots.values() if child is not None])


def log_of(root: Path, stage: str) -> Path:
    """The log of a stage, in a folder that git ignores in every DVC repository."""
    return root / LOGS / (re.sub(r"[^\w@.+-]", "_", stage) + ".log")


def outcome(child: Child) -> Ended:
    """How a run ended, by the exit status and the output of DVC."""
    words = child.log.read_text(encoding="utf-8", errors="replace")
    code = child.process.returncode
    if code == 0:
        return Ended(child.stage, _done(child.stage, words), "", child.log)
    blocker = re.search(r"it is being blocked by:\s+\(PID (\d+)\)", words)
    if blocker:
        note = f"process {blocker[1]} uses its files"
        return Ended(child.stage, State.BUSY, note, child.log, int(blocker[1]))
    exits = re.findall(r"exited with (-?\d+)$", words, re.MULTILINE)
    return Ended(child.stage, State.FAILED, _status(int(exits[-1] if exits else code)), child.log)


def _status(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"exit status {code}"


def _done(stage: str, words: str) -> State:
    if f"'{stage}' didn't change, skipping" in words:
        return State.UNCHANGED
    if f"Stage '{stage}' is cached - skipping run" in words:
        return State.CACHED
    return State.DONE
