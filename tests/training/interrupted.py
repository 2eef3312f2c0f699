"""Training that is interrupted again and again, at given steps, until it comes through."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from torch import Tensor

from emm.core.paths import Paths
from emm.training import forward as loop
from emm.training.checkpoint import Checkpoint, checkpoints

ORIGIN = {"settings": "0", "data": "1", "code": "2", "versions": "3"}


class KilledError(Exception):
    """What stands for a kill: nothing of the run is cleared up after it but its temporary files."""


def always(patch: pytest.MonkeyPatch) -> None:
    """Keep a checkpoint of every step."""
    patch.setattr("emm.training.checkpoint.EVERY_SECONDS", 0.0)
    patch.setattr("emm.training.checkpoint.SHARE", float("inf"))


def interrupt_at(step: int | None, patch: pytest.MonkeyPatch) -> None:
    """Interrupt in the middle of the ``step``-th step from now on, counted from 1; None: never."""
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
    """Call ``work`` with an interruption at each of ``steps``, then without; gives those taken."""
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
    """Let ``work`` write into ``folder``/out as a stage would, with checkpoints beside it."""
    paths = Paths("tiny", "paper", folder)
    with checkpoints(paths, folder / "out", ORIGIN) as checkpoint:
        work(folder / "out", checkpoint)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }
