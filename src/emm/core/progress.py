"""Progress of long work: a live bar in a terminal, plain lines in a log."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from emm.core.process import rank

if TYPE_CHECKING:  # else each stage would wait for it, also where it writes to a log
    from rich.console import Console
    from rich.progress import Progress

LINE_EVERY_SECONDS = 10.0


class Report(Protocol):
    """Called with the amount of work done; ``note``: a few words such as the current score."""

    def __call__(self, done: float, note: str = "") -> None: ...


@contextmanager
def progress(title: str, total: float | None, console: "Console | None" = None) -> Iterator[Report]:
    """Yield a function that takes the amount done so far, out of ``total`` (None: unknown)."""
    if console is None and not sys.stderr.isatty():
        yield _lines(title, total)
        return
    with _bar(console) as bar:
        task = bar.add_task(title, total=total, note="")

        def update(done: float, note: str = "") -> None:
            bar.update(task, completed=done, note=note)

        yield update


def say(message: str) -> None:
    """Print one line to stderr, in the first of several processes only."""
    if not rank():
        sys.stderr.write(f"{message}\n")


def _bar(console: "Console | None") -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console or Console(stderr=True, quiet=rank() > 0),
        transient=True,
    )


def _lines(title: str, total: float | None) -> Report:
    last = time.monotonic()

    def update(done: float, note: str = "") -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < LINE_EVERY_SECONDS:
            return
        last = now
        share = f" {done / total:.0%}" if total else f" {done:,.0f}"
        say(f"{title}{share} {note}".rstrip())

    return update
