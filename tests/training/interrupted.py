"""Training that is interrupted at given steps, and resumed until it ends."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from torch import Tensor

from emm.core.paths import Paths
from emm.training import forward as loop
from emm.training.checkpoint import Checkpoint, checkpoints

ORIGIN = {"settings": "0", "data": "1", "code": "2", "versions": "3"}


class KilledError(Exception):
    """Simulates a kill, after which only temporary files are cleaned up."""


def always(patch: pytest.MonkeyPatch) -> None:
    """Write a checkpoint after every step."""
    patch.setattr("emm.training.checkpoint.EVERY_SECONDS", 0.0)
    patch.setattr("emm.training.checkpoint.SHARE", float("inf"))


def interrupt_at(step: int | None, patch: pytest.MonkeyPatch) -> None:
    """Interrupt in the middle of the ``step``-th step from now, counted from 1; None: never."""
    count = iter(range(1, 1_000_000))
    real = loop.task_losses.__dict__.get("real", loop.task_losses)

    def losses(*arguments: object) -> Tensor:
        if next(count) == step:
            raise KilledError
        return real(*arguments)

    losses.__dict__["real"] = real
    patch.setattr(loop, "task_losses", losses)


def through(
    work: Callable[[], object], steps: Iterable[int], patch: pytest.MonkeyPatch
) -> Iterator[int]:
    """Call ``work`` with an interruption at each of ``steps``, then without one.

    Yields the steps that were interrupted.
    """
    for step in steps:
        interrupt_at(step, patch)
        try:
            work()
        except KilledError:
            yield step
        else:
            return
    interrupt_at(None, patch)
    work()


def stage(folder: Path, work: Callable[[Path, Checkpoint], object]) -> None:
    """Let ``work`` write to ``folder``/out as a stage does, with checkpoints."""
    paths = Paths("tiny", "paper", folder)
    with checkpoints(paths, folder / "out", ORIGIN) as checkpoint:
        work(folder / "out", checkpoint)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }
