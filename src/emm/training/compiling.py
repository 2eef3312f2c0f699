"""Compilation of a run's training steps, if measurements show that it pays off.

Compiling takes half a minute to a few minutes, and then each step is faster by a factor that
depends on the model. A run that is too short to gain from it isn't compiled. Compiled steps round
differently in the last bits, and with ``auto`` the clock decides when they begin: for results with
the same bits each time, compile ``never`` or ``always``.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from emm.core.progress import say
from emm.data.tables.rows import RowTensors
from emm.training.forward import Forward, Losses

CHOICES = ("never", "auto", "always")
WARM_UP, TIMED = 5, 20  # steps
SAVED = 0.5
"""The largest share of a plain step's time that compiling has been seen to save on a CPU."""


@dataclass
class _Cost:
    """``seconds`` that compiling takes: an estimate until measured in this process."""

    seconds: float = 30.0


_cost = _Cost()


def compiled(plain: Forward, device: torch.device, backend: str = "inductor") -> Forward:
    """``plain`` compiled for batches of one size; on CUDA as a graph that is replayed.

    Discards earlier compiled code, which belongs to models that are already trained.
    """
    torch.compiler.reset()
    # Makes the compiler deterministic, too; see emm.training.devices.
    torch.use_deterministic_algorithms(torch.are_deterministic_algorithms_enabled())
    mode = "reduce-overhead" if device.type == "cuda" else None
    faster: Forward = torch.compile(plain, dynamic=False, mode=mode, backend=backend)

    def forward(batch: RowTensors) -> Losses:
        if device.type == "cuda":
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        return faster(batch)

    return forward


def choose_forward(
    plain: Forward,
    choice: str,
    *,
    batch_size: int,
    steps: int,
    device: torch.device,
    make: Callable[[Forward, torch.device], Forward] = compiled,
) -> Forward:
    """``plain``, or a version of it that compiles: always, or if that pays off within ``steps``.

    Batches of another size than ``batch_size`` always use ``plain``.
    """
    if choice == "never" or (choice == "auto" and steps <= WARM_UP + TIMED):
        return plain
    chooser = _Chooser(plain, make(plain, device), steps, device)
    chooser.measuring = choice == "auto"
    return lambda batch: chooser(batch) if len(batch) == batch_size else plain(batch)


class _Chooser:
    """Times plain steps, then compiled ones if they can pay off, and keeps the faster."""

    def __init__(self, plain: Forward, faster: Forward, steps: int, device: torch.device) -> None:
        self.plain, self.faster = plain, faster
        self.steps, self.device = steps, device
        self.measuring = True
        self._works = False  # whether a compiled step has run
        self._taken = 0
        self._marks: list[float] = []
        self._chosen = plain

    def __call__(self, batch: RowTensors) -> Losses:
        if self.measuring:
            self._measure()
        elif not self._taken:
            self._chosen = self.faster
        self._taken += 1
        if self._chosen is self.plain or self._works:
            return self._chosen(batch)
        try:
            found = self.faster(batch)
        except RuntimeError as error:  # no C++ compiler, or a model that torch.compile can't handle
            first = str(error).strip().splitlines()[0]
            say(f"training continues without compiled steps: {first}")
            self._chosen, self.measuring = self.plain, False
            return self.plain(batch)
        self._works = True
        return found

    def _measure(self) -> None:
        """Read the clock before the steps that begin or end a measurement."""
        compiled_from = WARM_UP + TIMED
        at = (WARM_UP, compiled_from, compiled_from + WARM_UP, compiled_from + WARM_UP + TIMED)
        if self._taken not in at:
            return
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self._marks.append(time.perf_counter())
        if self._taken == compiled_from:
            left = self.steps - self._taken
            self.measuring = left * self._seconds(0) * SAVED > _cost.seconds
            self._chosen = self.faster if self.measuring else self.plain
        elif self._taken == at[-1]:
            self._keep_the_faster()

    def _keep_the_faster(self) -> None:
        plain, faster = self._seconds(0), self._seconds(2)
        _cost.seconds = self._marks[2] - self._marks[1]
        self.measuring = False
        self._chosen = self.faster if faster < plain else self.plain
        say(
            f"compiled in {_cost.seconds:.0f} s: {1e3 * faster:.2f} ms a step instead of "
            f"{1e3 * plain:.2f}; {'compiled' if faster < plain else 'plain'} steps are used"
        )

    def _seconds(self, mark: int) -> float:
        """Seconds of one step between this mark and the next."""
        return (self._marks[mark + 1] - self._marks[mark]) / TIMED
