"""The state of a training run: everything that its further course depends on."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from emm.core.progress import say
from emm.data.tables.batches import Rows, RowTensors
from emm.training.checkpoint import Checkpoint
from emm.training.epochs import Epoch
from emm.training.optimisers import Stepper
from emm.training.weighting import Weighting


@dataclass
class RunState:
    """A run under way, and how far it is.

    ``order``: the generator of ``train``'s batches, ``before`` its state when the epoch began;
    ``batches`` of this epoch that are done, and ``losses`` [T] float64, the sums over their rows;
    ``best``: the best weights so far; ``ended``: whether they are the result.
    """

    model: nn.Module
    weighting: Weighting
    stepper: Stepper
    order: torch.Generator
    train: Rows
    history: list[Epoch]
    best: Mapping[str, Tensor] = field(init=False)
    before: Tensor = field(init=False)
    losses: Tensor = field(init=False)
    batches: int = 0
    ended: bool = False

    def __post_init__(self) -> None:
        self.best = copy_of(self.model)
        self.start_epoch()

    @property
    def number(self) -> int:
        """Of the epoch that is under way."""
        return self.history[-1].epoch + 1 if self.history else 1

    def start_epoch(self) -> None:
        """Nothing is done yet of the epoch that comes next."""
        self.before, self.batches = self.order.get_state(), 0
        labels = self.train.labels
        # Summed where the model is: reading it after each step would stall a GPU.
        self.losses = torch.zeros(labels.shape[1], dtype=torch.float64, device=labels.device)

    def remaining(self, batch_size: int) -> Iterator[RowTensors]:
        """The epoch's batches that aren't done."""
        self.order.set_state(self.before)
        return self.train.shuffled(batch_size, self.order, self.batches)


def copy_of(model: nn.Module) -> dict[str, Tensor]:
    """The model's tensors as they are now."""
    return {key: value.clone() for key, value in model.state_dict().items()}


def save(run: RunState, checkpoint: Checkpoint) -> None:
    """Keep the run's state between two steps, or of one that has ended its result alone."""
    parts: dict[str, Mapping[str, Tensor]] = {"best": run.best}
    about = {
        "order": list(run.train.arrangement),
        "ended": run.ended,
        "history": [asdict(epoch) for epoch in run.history],
        "batches": run.batches,
    }
    if not run.ended:
        parts["stepper"], about["stepper"] = run.stepper.state()
        parts |= {
            "model": run.model.state_dict(),
            "weighting": run.weighting.state_dict(),
            "run": {"before": run.before, "losses": run.losses},
            "random": _random(run.losses.device),
        }
    tensors = {
        f"{part}/{name}": value for part, own in parts.items() for name, value in own.items()
    }
    checkpoint.write(tensors, about)


def restore(run: RunState, checkpoint: Checkpoint) -> None:
    """Put a run that is about to start where it was interrupted, if that is known."""
    saved = checkpoint.read()
    if saved is None:
        return
    tensors, about = saved
    if about["order"] != list(run.train.arrangement):
        checkpoint.refuse("with this much memory its batches come in another order")
        return
    epochs = [{**epoch, "scores": tuple(epoch["scores"])} for epoch in about["history"]]
    run.history[:] = [Epoch(**epoch) for epoch in epochs]
    run.ended, run.batches = about["ended"], about["batches"]
    device = run.losses.device
    run.best = {name: value.to(device) for name, value in _part(tensors, "best").items()}
    if not run.ended:
        _restore_state(run, tensors, about)
    say(f"{checkpoint.name}: {_where(run)}")


def _restore_state(run: RunState, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    run.model.load_state_dict(_part(tensors, "model"))
    run.weighting.load_state_dict(_part(tensors, "weighting"))
    run.stepper.load(_part(tensors, "stepper"), about["stepper"])
    run.before = tensors["run/before"]
    run.losses.copy_(tensors["run/losses"])
    torch.set_rng_state(tensors["random/cpu"])
    if run.losses.is_cuda:
        torch.cuda.set_rng_state(tensors["random/cuda"], run.losses.device)


def _random(device: torch.device) -> dict[str, Tensor]:
    """States of the generators that dropout and other noise are drawn from."""
    found = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        found["cuda"] = torch.cuda.get_rng_state(device)
    return found


def _part(tensors: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    prefix = f"{part}/"
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


def _where(run: RunState) -> str:
    if run.ended:
        return "trained before"
    within = f" and {run.batches:,} batches" if run.batches else ""
    return f"goes on after epoch {run.number - 1}{within}"
