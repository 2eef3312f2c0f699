"""Progress of long work: a live bar in a terminal, plain lines in a log."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from emm.core.process import rank

LINE_EVERY_SECONDS = 10.0


class Report(Protocol):
    """Called with the amount of work done; ``note``: a few words such as the current score."""

    def __call__(self, done: float, note: str = "") -> None: ...


@contextmanager
def progress(title: str, total: float | None, console: Console | None = None) -> Iterator[Report]:
    """Yield a function that takes the amount done so far, out of ``total`` (None: unknown)."""
    console = console or Console(stderr=True, quiet=rank() > 0)
    if console.is_terminal:
        with _bar(console) as bar:
            task = bar.add_task(title, total=total, note="")

            def update(done: float, note: str = "") -> None:
                bar.update(task, completed=done, note=note)

            yield update
    else:
        yield _lines(title, total, console)


def say(message: str) -> None:
    """Print one line to stderr, in the first of several processes only."""
    if rank():
        return
    Console(stderr=True, soft_wrap=True, highlight=False).print(message, markup=False)


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        transient=True,
    )


def _lines(title: str, total: float | None, console: Console) -> Report:
    last = time.monotonic()

    def update(done: float, note: str = "") -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < LINE_EVERY_SECONDS:
            return
        last = now
        share = f" {done / total:.0%}" if total else f" {done:,.0f}"
        console.print(f"{title}{share} {note}".rstrip(), markup=False, highlight=False)

    return update
