import io

import pytest
from rich.console import Console

from emm.core import progress as module
from emm.core.progress import progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_a_log_gets_a_plain_line_every_ten_seconds(clock: list[float]) -> None:
    text = io.StringIO()
    with progress("training", 20, Console(file=text)) as report:
        for done in range(1, 21):
            clock[0] += 1
            report(done, f"epoch {done}")
    assert text.getvalue() == "training 50% epoch 10\ntraining 100% epoch 20\n"


def test_an_unknown_total_shows_the_amount(clock: list[float]) -> None:
    text = io.StringIO()
    with progress("download", None, Console(file=text)) as report:
        clock[0] += module.LINE_EVERY_SECONDS
        report(12345)
    assert text.getvalue() == "download 12,345\n"


def test_a_terminal_shows_a_bar() -> None:
    text = io.StringIO()
    with progress("training", 4, Console(file=text, force_terminal=True)) as report:
        report(2, "half")
    assert "50%" in text.getvalue()
