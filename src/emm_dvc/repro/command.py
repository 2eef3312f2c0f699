"""`emm repro`: ask DVC for the plan, run it, show it."""

import os
import signal
from collections.abc import Sequence

from emm.core.errors import ParamsError
from emm_dvc.repro.board import Board
from emm_dvc.repro.graph import Plan, ask_plan
from emm_dvc.repro.local import Engine, Slots
from emm_dvc.repro.run import run_stages
from emm_dvc.repro.table import shown


def reproduce(
    targets: Sequence[str], jobs: int, gpus: Sequence[str], keep_going: bool, engine: str = "local"
) -> None:
    """Bring the targets up to date with ``jobs`` stages at once (0: one a CPU).

    Raises ParamsError for options that don't go together, StageError where stages failed or DVC
    can't read the graph.
    """
    if gpus and engine == "ray":
        raise ParamsError("--gpus is for this machine; Ray gives each task a GPU of its node")
    _end_with_the_terminal()
    board = Board(ask_plan(targets))
    with shown(board):
        run_stages(board, _engine(engine, board.plan, jobs, gpus), keep_going)


def _engine(name: str, plan: Plan, jobs: int, gpus: Sequence[str]) -> Engine:
    if name == "ray":
        from emm_dvc.repro.ray_engine import RayCluster

        return RayCluster(plan, jobs)
    return Slots(plan.root, jobs or os.cpu_count() or 1, gpus)


def _end_with_the_terminal() -> None:
    """A closed terminal ends the work like Ctrl-C, unless nohup keeps it."""
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.getsignal(signal.SIGTERM))
