"""The display of a run: a live table in a terminal, plain lines in a log."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from emm_dvc.repro.board import Board, Row, State

_STYLES = {
    State.WAITING: "dim",
    State.RUNNING: "bold yellow",
    State.BUSY: "yellow",
    State.UNCHANGED: "dim green",
    State.CACHED: "green",
    State.DONE: "green",
    State.FAILED: "bold red",
    State.LEFT_OUT: "red",
    State.STOPPED: "red",
}
# The states whose rows are shown first where not all rows fit.
_FIRST = (State.FAILED, State.STOPPED, State.RUNNING, State.BUSY, State.DONE, State.CACHED)
_AROUND_THE_ROWS = 6


@contextmanager
def shown(board: Board, console: Console | None = None) -> Iterator[None]:
    """Show the board while the block runs, and the number of stages per state at its end."""
    console = console or Console(stderr=True)
    started = time.monotonic()
    try:
        if console.is_terminal:
            with Live(get_renderable=lambda: table(board, console.height), console=console):
                yield
        else:
            board.notify = lambda row: _print(console, line(row))
            yield
    finally:
        _print(console, f"{counts(board)}, in {duration(time.monotonic() - started)}")


def table(board: Board, height: int) -> Table:
    """A table of the rows, as many as fit into ``height`` lines."""
    title = counts(board)
    made = Table(title=title, title_justify="left", min_width=len(title), box=None, pad_edge=False)
    made.add_column("stage")
    made.add_column("state")
    made.add_column("time", justify="right")
    made.add_column("")
    rows = _most_important(list(board.rows.values()), max(1, height - _AROUND_THE_ROWS))
    for row in rows:
        made.add_row(row.stage.name, f"[{_STYLES[row.state]}]{row.state}[/]", _time(row), row.note)
    if len(rows) < len(board.rows):
        made.add_row(f"and {len(board.rows) - len(rows)} more", style="dim")
    return made


def line(row: Row) -> str:
    """The new state of a stage as a line of a log; empty for unchanged and waiting stages."""
    if row.state in (State.UNCHANGED, State.WAITING):
        return ""
    parts = [f"{row.stage.name}: {row.state}"]
    if row.seconds is not None and row.state is not State.RUNNING:
        parts.append(f"after {duration(row.seconds)}")
    if row.note:
        parts.append(f"({row.note})")
    if row.state in (State.FAILED, State.STOPPED) and row.log is not None:
        parts.append(f"log: {near(row.log)}")
    return " ".join(parts)


def counts(board: Board) -> str:
    """The number of stages per state, such as ``27 stages: 3 done, 24 unchanged``."""
    found = Counter(row.state for row in board.rows.values())
    each = ", ".join(f"{found[state]} {state}" for state in State if found[state])
    return f"{len(board.rows)} stages" + (f": {each}" if each else "")


def duration(seconds: float) -> str:
    """``12.3 s``, or ``1:02`` and ``1:01:02`` from one minute on."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def near(path: Path) -> str:
    """A path relative to the current folder, if it is inside."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _most_important(rows: list[Row], limit: int) -> list[Row]:
    if len(rows) <= limit:
        return rows
    rank = {state: number for number, state in enumerate(_FIRST)}
    ranked = sorted(rows, key=lambda row: (rank.get(row.state, len(rank)), -row.since))
    kept = {row.stage.name for row in ranked[:limit]}
    return [row for row in rows if row.stage.name in kept]


def _time(row: Row) -> str:
    if row.state is State.RUNNING:
        return duration(time.monotonic() - row.since)
    return "" if row.seconds is None else duration(row.seconds)


def _print(console: Console, text: str) -> None:
    if text:
        console.print(text, markup=False, highlight=False, soft_wrap=True)
