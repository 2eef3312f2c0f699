"""`emm repro`: ask DVC for the plan, run it, show it."""

import signal
from collections.abc import Sequence

from emm.repro.board import Board
from emm.repro.graph import ask_plan
from emm.repro.local import Slots
from emm.repro.run import run_stages
from emm.repro.table import shown


def reproduce(targets: Sequence[str], jobs: int, gpus: Sequence[str], keep_going: bool) -> None:
    """Bring the targets up to date with ``jobs`` stages at once.

    Raises StageError where stages failed or DVC can't read the graph.
    """
    _end_with_the_terminal()
    plan = ask_plan(targets)
    board = Board(plan)
    with shown(board):
        run_stages(board, Slots(plan.root, jobs, gpus), keep_going)


def _end_with_the_terminal() -> None:
    """A closed terminal ends the work like Ctrl-C, unless nohup keeps it."""
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.getsignal(signal.SIGTERM))
