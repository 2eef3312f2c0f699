from pathlib import Path

import pytest

from emm_dvc.repro.board import Board, State
from emm_dvc.repro.graph import Plan, Stage


def make_board(**upstream: str) -> Board:
    """Stages by what they read, such as ``c="ab"``; a capital letter is one to keep apart from."""
    stages = {
        name: Stage(
            name,
            upstream=tuple(one for one in read if one.islower()),
            after=tuple(one.lower() for one in read if one.isupper()),
            changed=True,
            lock="dvc.lock",
            entry=name,
            outs=(),
            shared=True,
        )
        for name, read in upstream.items()
    }
    return Board(Plan(Path("/"), stages))


def test_a_stage_is_ready_once_all_that_it_reads_is_up_to_date() -> None:
    board = make_board(a="", b="", c="ab")
    assert board.ready() == ["a", "b"]
    board.set("a", State.DONE)
    assert board.ready() == ["b"]
    board.set("b", State.UNCHANGED)
    assert board.ready() == ["c"]


def test_stages_with_the_most_stages_behind_them_come_first() -> None:
    board = make_board(a="", b="", c="b", d="c", e="")
    assert board.ready() == ["b", "a", "e"]
    assert board.plan.downstream["b"] == {"c", "d"}


@pytest.mark.parametrize("state", [State.DONE, State.FAILED, State.LEFT_OUT])
def test_a_stage_that_only_may_not_overlap_runs_however_the_other_ended(state: State) -> None:
    board = make_board(a="", b="A")
    assert board.ready() == ["a"]
    board.set("a", State.RUNNING)
    assert board.ready() == []
    board.set("a", state)
    assert board.ready() == ["b"]


def test_a_run_is_open_until_the_last_stage_has_ended() -> None:
    board = make_board(a="", b="a")
    board.set("a", State.FAILED)
    assert board.open()
    board.set("b", State.LEFT_OUT)
    assert not board.open()
