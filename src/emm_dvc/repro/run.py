"""Ready stages go to free slots until all are up to date, or one has failed."""

import subprocess
import time
from collections.abc import Sequence

from emm.core.progress import say
from emm_dvc.repro.board import UP_TO_DATE, Board, Row, State
from emm_dvc.repro.children import exists
from emm_dvc.repro.errors import StageError
from emm_dvc.repro.graph import Plan, answer_of, asking, finish, start_asking
from emm_dvc.repro.local import Ended, Engine
from emm_dvc.repro.lockfile import entries, serial_order
from emm_dvc.repro.table import near

_TICK_SECONDS = 0.1
_BUSY_SECONDS = 30.0
_ASKED_AT_ONCE = 500  # so that the answer fits into a pipe that isn't read meanwhile


def run_stages(board: Board, engine: Engine, keep_going: bool) -> None:
    """Bring the board's stages up to date; raises StageError naming those that failed.

    Ctrl-C, as any error here, ends what runs and says what that was. In any case dvc.lock has a
    serial run's order.
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
    """What is known of the stages while they run.

    ``changed`` says of a stage whether it would run: None when a stage that it reads has run since
    DVC was asked.
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
        """Take note of what has ended and start what can start; False when all is over."""
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
        """Stages that DVC has called unchanged need no process; they free others, too."""
        while passed := [name for name in self.board.ready() if self.changed[name] is False]:
            for name in passed:
                self.board.set(name, State.UNCHANGED)

    def _wake(self) -> None:
        """A stage whose files another process holds is tried again when that may be over."""
        for name in self.board.within(State.BUSY):
            waited = time.monotonic() - self.board.rows[name].since
            if waited > _BUSY_SECONDS or not exists(self.blockers[name]):
                self.board.set(name, State.WAITING)

    def _ask(self) -> None:
        """One question for several stages; a single one tells it itself when it is started."""
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


def _stop(board: Board, engine: Engine) -> None:
    """End what runs; a stage that was just done is done, the others were under way."""
    if board.within(State.RUNNING):
        say("ending the stages; Ctrl-C again: at once")
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
            say(f"under way were:\n{_logs(stopped)}")


def _entries(plan: Plan) -> dict[str, list[str]]:
    files = {name: plan.root / name for name in plan.entries()}
    return {
        name: entries(path.read_text(encoding="utf-8")) if path.exists() else []
        for name, path in files.items()
    }


def _arrange(plan: Plan, before: dict[str, list[str]]) -> None:
    """Where stages ended in another order than a serial run has, dvc.lock gets that order."""
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
        next_step="read the log, mend the cause, and run it again: what is done stays done",
    )


def _logs(rows: Sequence[Row]) -> str:
    return "\n".join(
        f"  - {row.stage.name}{row.note and f' ({row.note})'}: {near(row.log) if row.log else ''}"
        for row in rows
    )
