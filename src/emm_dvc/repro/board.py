"""The state of every stage of a run."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from emm_dvc.repro.graph import Plan, Stage


class State(StrEnum):
    """The state of a stage, as the table shows it."""

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
    """One stage: its state, since when, and how long it ran."""

    stage: Stage
    state: State = State.WAITING
    since: float = field(default_factory=time.monotonic)
    seconds: float | None = None
    note: str = ""
    log: Path | None = None


class Board:
    """The rows of all stages; ``notify`` is called with each row that changes."""

    def __init__(self, plan: Plan, notify: Callable[[Row], None] = lambda row: None) -> None:
        self.plan = plan
        self.rows = {name: Row(stage) for name, stage in plan.stages.items()}
        self.notify = notify

    def set(self, name: str, state: State, note: str = "", log: Path | None = None) -> None:
        """Move a stage to another state."""
        row, now = self.rows[name], time.monotonic()
        if row.state is State.RUNNING:
            row.seconds = now - row.since
        row.state, row.since, row.note, row.log = state, now, note, log or row.log
        self.notify(row)

    def within(self, *states: State) -> list[str]:
        """Names of the stages in one of ``states``, in the order of the plan."""
        return [name for name, row in self.rows.items() if row.state in states]

    def open(self) -> bool:
        """Whether a stage is waiting or running."""
        return any(row.state in _OPEN for row in self.rows.values())

    def ready(self) -> list[str]:
        """Stages that may start, those with the most stages behind them first."""
        found = [name for name in self.within(State.WAITING) if self._free(self.rows[name].stage)]
        return sorted(found, key=lambda name: -len(self.plan.downstream[name]))

    def _free(self, stage: Stage) -> bool:
        return self._are(stage.upstream, UP_TO_DATE) and not any(
            self.rows[name].state in _OPEN for name in stage.after
        )

    def _are(self, names: Iterable[str], states: frozenset[State]) -> bool:
        return all(self.rows[name].state in states for name in names)
