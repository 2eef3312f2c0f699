import io
import subprocess
import sys

import pytest
from rich.console import Console

from emm.core import progress as module
from emm.core.progress import progress, say


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_a_log_gets_a_plain_line_every_ten_seconds(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with progress("training", 20) as report:
        for done in range(1, 21):
            clock[0] += 1
            report(done, f"epoch {done}")
    assert capsys.readouterr().err == "training 50% epoch 10\ntraining 100% epoch 20\n"


def test_an_unknown_total_shows_the_amount(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with progress("download", None) as report:
        clock[0] += module.LINE_EVERY_SECONDS
        report(12345)
    assert capsys.readouterr().err == "download 12,345\n"


def test_a_terminal_shows_a_bar() -> None:
    text = io.StringIO()
    with progress("training", 4, Console(file=text, force_terminal=True)) as report:
        report(2, "half")
    assert "50%" in text.getvalue()


def test_a_long_line_with_brackets_and_colons_stays_as_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = "[bold] :warning: " + 50 * "word "
    say(line)
    assert capsys.readouterr().err == f"{line}\n"


def test_a_log_needs_no_rich() -> None:
    code = (
        "import sys; from emm.core.progress import progress, say\n"
        "with progress('x', 1) as report: report(1)\n"
        "say('rich' if 'rich' in sys.modules else 'plain')"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stderr == "plain\n"
