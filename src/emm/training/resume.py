"""The state of a training run, and how it is saved to and restored from a checkpoint."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from emm.core.progress import say
from emm.data.tables.rows import Rows, RowTensors
from emm.training.checkpoint import Checkpoint
from emm.training.epochs import Epoch, best_epoch
from emm.training.optimisers import Stepper
from emm.training.trace import StepLosses, with_trace
from emm.training.weighting import Weighting


@dataclass
class RunState:
    """Everything that the rest of a training run depends on.

    ``order``: the generator of the order of batches, ``order_at_start`` its state when the epoch
    began; ``batches``: how many of this epoch are done, ``loss_sums`` [T] float64: their losses
    summed over rows, ``losses`` what these were after each step; ``best``: the weights of the best
    epoch so far; ``first``: the number of this run's first epoch; ``ended``: whether training is
    over and ``best`` is the result.
    """

    model: nn.Module
    weighting: Weighting
    stepper: Stepper
    order: torch.Generator
    train: Rows
    history: list[Epoch]
    first: int = field(init=False)
    best: Mapping[str, Tensor] = field(init=False)
    order_at_start: Tensor = field(init=False)
    loss_sums: Tensor = field(init=False)
    losses: StepLosses = field(init=False)
    batches: int = 0
    ended: bool = False

    def __post_init__(self) -> None:
        self.first = self.number
        self.best = copy_of(self.model)
        self.start_epoch()

    @property
    def number(self) -> int:
        """Number of the current epoch."""
        return self.history[-1].epoch + 1 if self.history else 1

    def start_epoch(self) -> None:
        """Begin the next epoch."""
        self.order_at_start, self.batches = self.order.get_state(), 0
        self.loss_sums, self.losses = zero_loss_sums(self.train), StepLosses()

    def remaining_batches(self, batch_size: int) -> Iterator[RowTensors]:
        """The batches of this epoch that are not done."""
        self.order.set_state(self.order_at_start)
        return self.train.shuffled(batch_size, self.order, self.batches)

    def end_epoch(self, epoch: Epoch, max_epochs: int, patience: int) -> None:
        """Record a finished epoch, keep its weights if it is the best, and decide whether to stop.

        For ``patience``, a best epoch before this run counts as the last epoch before it.
        """
        self.history.append(with_trace(epoch, self.model, self.losses))
        best = best_epoch(self.history)
        if best == epoch.epoch:
            self.best = copy_of(self.stepper.kept)
        stale = epoch.epoch - max(best, self.first - 1)
        self.ended = stale >= patience or epoch.epoch == self.first + max_epochs - 1
        self.start_epoch()


def zero_loss_sums(train: Rows) -> Tensor:
    """Sums of losses [T] before an epoch's first batch."""
    # Kept on the model's device: reading the loss of each step would stall a GPU.
    return torch.zeros(train.labels.shape[1], dtype=torch.float64, device=train.labels.device)


def copy_of(model: nn.Module) -> dict[str, Tensor]:
    """A copy of the model's state."""
    return {key: value.clone() for key, value in model.state_dict().items()}


def after_step(state: RunState, checkpoint: Checkpoint) -> None:
    """Count a batch, and save the state if a checkpoint is due."""
    state.batches += 1
    state.losses.add(state.batches, state.loss_sums)
    if checkpoint.due:
        save(state, checkpoint)


def save(state: RunState, checkpoint: Checkpoint) -> None:
    """Save the state between two steps, or only the result if the run has ended."""
    parts: dict[str, Mapping[str, Tensor]] = {"best": state.best}
    about = {
        "order": list(state.train.arrangement),
        "ended": state.ended,
        "history": [asdict(epoch) for epoch in state.history],
        "batches": state.batches,
        "every": state.losses.every,
    }
    if not state.ended:
        parts["stepper"], about["stepper"] = state.stepper.state()
        parts |= {
            "model": state.model.state_dict(),
            "weighting": state.weighting.state_dict(),
            "run": {
                "before": state.order_at_start,
                "losses": state.loss_sums,
                "steps": state.losses.values(),
            },
            "random": _random_states(state.loss_sums.device),
        }
    tensors = {
        f"{part}/{name}": value for part, own in parts.items() for name, value in own.items()
    }
    checkpoint.write(tensors, about)


def restore(state: RunState, checkpoint: Checkpoint) -> None:
    """Restore the state of a run that is about to start from its checkpoint, if there is one."""
    saved = checkpoint.read()
    if saved is None:
        return
    tensors, about = saved
    if about["order"] != list(state.train.arrangement):
        checkpoint.refuse("with this much memory, batches come in another order")
        return
    state.history[:] = [_epoch(each) for each in about["history"]]
    state.ended, state.batches = about["ended"], about["batches"]
    device = state.loss_sums.device
    state.best = {name: value.to(device) for name, value in _part(tensors, "best").items()}
    if not state.ended:
        _restore_unfinished(state, tensors, about)
    say(f"{checkpoint.name}: {_progress(state)}")


def _epoch(saved: Mapping[str, Any]) -> Epoch:
    lists = {name: tuple(saved[name]) for name in ("scores", "losses")}
    return Epoch(**{**saved, **lists})


def _restore_unfinished(
    state: RunState, tensors: Mapping[str, Tensor], about: Mapping[str, Any]
) -> None:
    state.model.load_state_dict(_part(tensors, "model"))
    state.weighting.load_state_dict(_part(tensors, "weighting"))
    state.stepper.load(_part(tensors, "stepper"), about["stepper"])
    state.order_at_start = tensors["run/before"]
    state.loss_sums.copy_(tensors["run/losses"])
    steps = tensors["run/steps"].to(state.loss_sums.device)
    state.losses = StepLosses(about["every"], list(steps))
    torch.set_rng_state(tensors["random/cpu"])
    if state.loss_sums.is_cuda:
        torch.cuda.set_rng_state(tensors["random/cuda"], state.loss_sums.device)


def _random_states(device: torch.device) -> dict[str, Tensor]:
    """States of the generators that dropout and other noise draw from."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def _part(tensors: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    prefix = f"{part}/"
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


def _progress(state: RunState) -> str:
    if state.ended:
        return "trained before"
    within = f" and {state.batches:,} batches" if state.batches else ""
    return f"resumes after epoch {state.number - 1}{within}"
