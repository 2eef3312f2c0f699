from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from emm_dvc.repro.board import Board, State
from emm_dvc.repro.table import counts, duration, line, shown, table
from tests.emm_dvc.repro.test_board import make_board


def drawn(board: Board, height: int) -> str:
    console = Console(width=100, file=StringIO())
    console.print(table(board, height))
    return console.file.getvalue()


def test_counts_name_only_the_states_that_there_are() -> None:
    board = make_board(a="", b="", c="")
    board.set("a", State.RUNNING)
    assert counts(board) == "3 stages: 2 waiting, 1 running"
    assert counts(make_board()) == "0 stages"


@pytest.mark.parametrize(
    ("seconds", "output"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (60, "1:00"), (3599.6, "1:00:00"), (3723, "1:02:03")],
)
def test_durations(seconds: float, output: str) -> None:
    assert duration(seconds) == output


def test_where_not_all_rows_fit_the_running_and_failed_ones_stay() -> None:
    board = make_board(**{name: "" for name in "abcdefgh"})
    board.set("c", State.FAILED, "exit status 1")
    board.set("g", State.RUNNING)
    rows = drawn(board, height=8).splitlines()
    assert [row.split()[:2] for row in rows[2:]] == [
        ["c", "failed"],
        ["g", "running"],
        ["and", "6"],
    ]


def test_a_line_says_how_it_ended_and_where_the_log_is() -> None:
    board = make_board(a="")
    board.set("a", State.RUNNING, log=Path.cwd() / "logs/a.log")
    board.set("a", State.FAILED, "exit status 1")
    board.rows["a"].seconds = 2.0
    assert line(board.rows["a"]) == "a: failed after 2.0 s (exit status 1) log: logs/a.log"


def test_without_a_terminal_each_change_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    board = make_board(a="", b="")
    with shown(board, Console(force_terminal=False)):
        board.set("a", State.RUNNING)
        board.set("b", State.UNCHANGED)
    first, last = capsys.readouterr().out.splitlines()
    assert first == "a: running"
    assert last.startswith("2 stages: 1 running, 1 unchanged, in ")


def test_in_a_terminal_the_table_is_live(capsys: pytest.CaptureFixture[str]) -> None:
    board = make_board(a="")
    with shown(board, Console(force_terminal=True, width=80)):
        board.set("a", State.DONE)
    assert "\x1b[" in capsys.readouterr().out
