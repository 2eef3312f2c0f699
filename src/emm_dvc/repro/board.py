"""How far every stage is."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from emm_dvc.repro.graph import Plan, Stage


class State(StrEnum):
    """What a person reads in the table."""

    WAITING = "waiting"
    RUNNING = "running"
    BUSY = "busy elsewhere"
    UNCHANGED = "unchanged"
    CACHED = "cached"
    DONE = "done"
    FAILED = "failed"
    LEFT_OUT = "left out"
    STOPPED = "stopped"


UP_TO_DATE = frozenset({State.UNCHANGED, State.CACHED, State.DONE})
_OPEN = frozenset({State.WAITING, State.RUNNING, State.BUSY})


@dataclass
class Row:
    """One stage: its state, when that began, and how long it took in all."""

    stage: Stage
    state: State = State.WAITING
    since: float = field(default_factory=time.monotonic)
    seconds: float | None = None
    note: str = ""
    log: Path | None = None


class Board:
    """The rows of all stages, and one who is told of each change."""

    def __init__(self, plan: Plan, tell: Callable[[Row], None] = lambda row: None) -> None:
        self.plan = plan
        self.rows = {name: Row(stage) for name, stage in plan.stages.items()}
        self.tell = tell

    def set(self, name: str, state: State, note: str = "", log: Path | None = None) -> None:
        """Move a stage to another state."""
        row, now = self.rows[name], time.monotonic()
        if row.state is State.RUNNING:
            row.seconds = now - row.since
        row.state, row.since, row.note, row.log = state, now, note, log or row.log
        self.tell(row)

    def within(self, *states: State) -> list[str]:
        """Names of the stages in one of ``states``, as planned."""
        return [name for name, row in self.rows.items() if row.state in states]

    def open(self) -> bool:
        """Whether a stage hasn't come to an end."""
        return any(row.state in _OPEN for row in self.rows.values())

    def ready(self) -> list[str]:
        """Waiting stages that nothing holds up, those that most others wait for first."""
        found = [name for name in self.within(State.WAITING) if self._free(self.rows[name].stage)]
        return sorted(found, key=lambda name: -len(self.plan.downstream[name]))

    def _free(self, stage: Stage) -> bool:
        return self._are(stage.upstream, UP_TO_DATE) and not any(
            self.rows[name].state in _OPEN for name in stage.after
        )

    def _are(self, names: Iterable[str], states: frozenset[State]) -> bool:
        return all(self.rows[name].state in states for name in names)
