"""`emm repro`: start stages as soon as they are ready, until all are up to date or one fails."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence

from emm.core.errors import ParamsError
from emm.core.progress import say
from emm_dvc.repro.board import UP_TO_DATE, Board, Row, State
from emm_dvc.repro.children import exists
from emm_dvc.repro.graph import (
    Plan,
    StageError,
    answer_of,
    ask_plan,
    asking,
    finish,
    start_asking,
)
from emm_dvc.repro.local import Ended, Engine, Slots
from emm_dvc.repro.lockfile import entries, serial_order
from emm_dvc.repro.table import near, shown

_TICK_SECONDS = 0.1
_BUSY_SECONDS = 30.0
_ASKED_AT_ONCE = 500  # the answer must fit into a pipe, which isn't read meanwhile


def reproduce(
    targets: Sequence[str], jobs: int, gpus: Sequence[str], keep_going: bool, engine: str = "local"
) -> None:
    """Bring the targets up to date with ``jobs`` stages at a time (0: one per CPU).

    Raises ParamsError for options that exclude each other, StageError if stages failed or DVC can't
    read the graph.
    """
    if gpus and engine == "ray":
        raise ParamsError("--gpus is for this machine; Ray gives each task a GPU of its node")
    _end_with_the_terminal()
    board = Board(ask_plan(targets))
    with shown(board):
        run_stages(board, _engine(engine, board.plan, jobs, gpus), keep_going)


def run_stages(board: Board, engine: Engine, keep_going: bool) -> None:
    """Bring the stages of the board up to date; raises StageError with those that failed.

    Ctrl-C, like any error here, ends the running stages and names them. dvc.lock always has the
    order of a serial run at the end.
    """
    before = _entries(board.plan)
    try:
        Run(board, engine, keep_going).to_the_end()
    except BaseException:
        _stop(board, engine)
        raise
    finally:
        _arrange(board.plan, before)
    _raise_failed(board)


class Run:
    """The stages while they run.

    ``changed``: whether a stage would run; None if one that it reads has run since DVC was asked.
    """

    def __init__(self, board: Board, engine: Engine, keep_going: bool) -> None:
        self.board, self.engine, self.keep_going = board, engine, keep_going
        self.changed: dict[str, bool | None] = {
            name: stage.changed for name, stage in board.plan.stages.items()
        }
        self.question: subprocess.Popen[str] | None = None
        self.asked: list[str] = []
        self.blockers: dict[str, int] = {}

    def to_the_end(self) -> None:
        try:
            while self.step():
                time.sleep(_TICK_SECONDS)
        finally:
            if self.question is not None:
                finish(self.question)

    def step(self) -> bool:
        """Record which stages have ended and start ready ones; whether any are left."""
        for ended in self.engine.ended():
            self._note(ended)
        self._answer()
        self._pass_unchanged()
        if self.board.within(State.FAILED) and not self.keep_going:
            self._leave_out(self.board.within(State.WAITING, State.BUSY))
        self._wake()
        self._ask()
        self._start()
        return self.board.open()

    def _note(self, ended: Ended) -> None:
        self.board.set(ended.stage, ended.state, ended.note, ended.log)
        self.blockers[ended.stage] = ended.blocker
        if ended.state is State.FAILED:
            self._leave_out(self.board.plan.downstream[ended.stage])
        if ended.state in (State.DONE, State.CACHED):
            for name, stage in self.board.plan.stages.items():
                if ended.stage in stage.upstream and self.changed[name] is False:
                    self.changed[name] = None

    def _leave_out(self, names: Sequence[str] | set[str]) -> None:
        for name in names:
            if self.board.rows[name].state in (State.WAITING, State.BUSY):
                self.board.set(name, State.LEFT_OUT)

    def _pass_unchanged(self) -> None:
        """Mark unchanged stages, which need no process and may make others ready."""
        while passed := [name for name in self.board.ready() if self.changed[name] is False]:
            for name in passed:
                self.board.set(name, State.UNCHANGED)

    def _wake(self) -> None:
        """Retry stages whose files another process used, when that may have ended."""
        for name in self.board.within(State.BUSY):
            waited = time.monotonic() - self.board.rows[name].since
            if waited > _BUSY_SECONDS or not exists(self.blockers[name]):
                self.board.set(name, State.WAITING)

    def _ask(self) -> None:
        """Ask DVC about several stages at once; a single one is simply started."""
        unknown = [name for name in self.board.ready() if self.changed[name] is None]
        if self.question is None and len(unknown) > 1:
            self.asked = unknown[:_ASKED_AT_ONCE]
            self.question = start_asking("changed", *self.asked)

    def _answer(self) -> None:
        if self.question is not None and self.question.poll() is not None:
            self.changed.update(answer_of(self.question))
            self.question, self.asked = None, []

    def _start(self) -> None:
        for name in self.board.ready():
            if name not in self.asked and self.engine.free():
                self.board.set(name, State.RUNNING, log=self.engine.start(name))


def _engine(name: str, plan: Plan, jobs: int, gpus: Sequence[str]) -> Engine:
    if name == "ray":
        from emm_dvc.repro.ray_engine import RayCluster

        return RayCluster(plan, jobs)
    return Slots(plan.root, jobs or os.cpu_count() or 1, gpus)


def _end_with_the_terminal() -> None:
    """End the work like Ctrl-C when the terminal closes, unless nohup prevents that."""
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.getsignal(signal.SIGTERM))


def _stop(board: Board, engine: Engine) -> None:
    """End the running stages; those that had just finished are done, the others are stopped."""
    if board.within(State.RUNNING):
        say("ending the stages; press Ctrl-C again to kill them")
    try:
        engine.stop()
    finally:
        for ended in engine.ended():
            if ended.state in UP_TO_DATE:
                board.set(ended.stage, ended.state)
        for name in board.within(State.RUNNING):
            board.set(name, State.STOPPED)
        stopped = [board.rows[name] for name in board.within(State.STOPPED)]
        if stopped:
            say(f"stopped stages:\n{_logs(stopped)}")


def _entries(plan: Plan) -> dict[str, list[str]]:
    files = {name: plan.root / name for name in plan.entries()}
    return {
        name: entries(path.read_text(encoding="utf-8")) if path.exists() else []
        for name, path in files.items()
    }


def _arrange(plan: Plan, before: dict[str, list[str]]) -> None:
    """Give dvc.lock the order of a serial run if stages ended in another one."""
    planned = plan.entries()
    wanted = {}
    for name, found in _entries(plan).items():
        order = serial_order(before[name], planned[name], found)
        if order != found:
            wanted[str(plan.root / name)] = order
    if wanted:
        with asking("arrange") as process:
            answer_of(process, wanted)


def _raise_failed(board: Board) -> None:
    failed = board.within(State.FAILED)
    if not failed:
        return
    rows = [board.rows[name] for name in failed]
    left = len(board.within(State.LEFT_OUT))
    raise StageError(
        f"{len(failed)} of {len(board.rows)} stages failed, {left} were left out:\n" + _logs(rows),
        next_step="read the log, fix the cause, and run this again; finished stages stay finished",
    )


def _logs(rows: Sequence[Row]) -> str:
    return "\n".join(
        f"  - {row.stage.name}{row.note and f' ({row.note})'}: {near(row.log) if row.log else ''}"
        for row in rows
    )
