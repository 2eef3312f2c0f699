import os
import signal
import sys

import pytest

from emm.core.command import stage
from emm.core.errors import DataError, ParamsError


def call(function: object, *words: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["stage", *words])
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as caught:
            stage(function)()
    finally:
        signal.signal(signal.SIGTERM, before)
    return int(caught.value.code)


def good(name: str) -> None:
    sys.stdout.write(f"did {name}\n")


def fails(name: str) -> None:
    raise DataError("bad rows", where=name, next_step="mend them")


def refuses(name: str) -> None:
    raise ParamsError(f"no {name}")


def interrupted(_name: str) -> None:
    raise KeyboardInterrupt


def terminated(_name: str) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_success_exits_with_0(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(good, "census", monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().out == "did census\n"


@pytest.mark.parametrize(
    ("function", "code", "message"),
    [
        (fails, 1, "error: bad rows\n  where: census\n  next: mend them"),
        (refuses, 2, "error: no census"),
        (interrupted, 130, "interrupted"),
        (terminated, 130, "interrupted"),
    ],
)
def test_an_error_is_one_message_and_an_exit_code(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    function: object,
    code: int,
    message: str,
) -> None:
    assert call(function, "census", monkeypatch=monkeypatch) == code
    shown = capsys.readouterr().err
    assert message in shown
    assert "Traceback" not in shown


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["stage", "census", "--debug"])
    with pytest.raises(DataError):
        stage(fails)()


@pytest.mark.parametrize("words", [(), ("a", "b"), ("--unknown",)])
def test_wrong_options_exit_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert call(good, *words, monkeypatch=monkeypatch) == 2
    assert "add --help" in capsys.readouterr().err
