"""trace.json: hashes and losses of a training, by which another one is compared with it.

Two trainings that differ in one bit end up apart; this says at which epoch and step they parted.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from emm.training.epochs import Epoch

TRACE = "trace.json"
MOST = 1000
"""Steps of an epoch whose losses are kept, at most twice as many."""


@dataclass
class StepLosses:
    """The sums of the losses of an epoch so far, after steps ``every``, 2 ``every``, ...

    Each is a float64 scalar, or [M] if M models train together.
    """

    every: int = 1
    sums: list[Tensor] = field(default_factory=list)

    def add(self, step: int, loss_sums: Tensor) -> None:
        """Keep the sum of the losses after ``step``, counted from 1.

        loss_sums: of the tasks, [T] or [M, T].
        """
        if step % self.every:
            return
        self.sums.append(loss_sums.sum(-1))
        if len(self.sums) == 2 * MOST:
            self.sums, self.every = self.sums[1::2], 2 * self.every

    def values(self) -> Tensor:
        """The sums after S steps, [S] or [S, M]."""
        return torch.stack(self.sums) if self.sums else torch.zeros(0, dtype=torch.float64)


def weights_hash(model: nn.Module) -> str:
    """A hash of all weights and buffers."""
    found = hashlib.sha256()
    for value in model.state_dict().values():
        found.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()[:16]


def with_trace(
    epoch: Epoch, model: nn.Module, losses: StepLosses, place: int | None = None
) -> Epoch:
    """An epoch that just ended, with the hash of its weights and its losses.

    ``place``: of ``model`` among those that train together.
    """
    sums = losses.values() if place is None else losses.values()[:, place]
    return replace(
        epoch, weights=weights_hash(model), every=losses.every, losses=tuple(sums.tolist())
    )


def trace_of(epochs: Sequence[Epoch]) -> list[dict[str, Any]]:
    """The traces of the epochs that have one, as plain JSON."""
    return [
        {
            "epoch": each.epoch,
            "weights": each.weights,
            "every": each.every,
            "losses": list(each.losses),
        }
        for each in epochs
        if each.weights
    ]


def parted(one: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]]) -> str | None:
    """Where two traces of a run begin to differ, in words; None if nowhere."""
    for first, second in zip(one, other, strict=False):
        if first == second:
            continue
        where = f"epoch {first['epoch']}"
        pairs = zip(first["losses"], second["losses"], strict=False)
        place = next((n for n, (a, b) in enumerate(pairs, start=1) if a != b), None)
        if place is None:
            last = first["every"] * len(first["losses"])
            return f"{where}, after step {last}: the losses are equal until then, the weights not"
        every = first["every"]
        step = (
            f"step {place}" if every == 1 else f"steps {(place - 1) * every + 1} to {place * every}"
        )
        a, b = (each["losses"][place - 1] for each in (first, second))
        return f"{where}, {step}: the sum of the losses is {a!r} there, {b!r} here"
    if len(one) != len(other):
        return (
            f"after epoch {min(len(one), len(other))}: {len(one)} epochs there, {len(other)} here"
        )
    return None
