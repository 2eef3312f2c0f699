"""The epochs of a run, and the best of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from emm.core.progress import say


@dataclass(frozen=True)
class Epoch:
    """One pass over train: its mean loss per labelled row and task, and the validation score of
    each task, which is the AUC, or R squared for a regression. ``loss``: the mean validation loss
    if it chooses the best epoch.

    ``weights``: a hash of the weights; ``losses``: the sum of the losses of this epoch after steps
    ``every``, 2 ``every``, ...; see `emm.training.trace`."""

    epoch: int
    train_loss: float
    scores: tuple[float, ...]
    loss: float | None = None
    weights: str = field(default="", compare=False)
    every: int = field(default=1, compare=False)
    losses: tuple[float, ...] = field(default=(), compare=False, repr=False)

    @property
    def mean_score(self) -> float:
        return sum(self.scores) / len(self.scores)

    @property
    def merit(self) -> float:
        """What the best epoch has the most of."""
        return self.mean_score if self.loss is None else -self.loss


def best_epoch(history: Sequence[Epoch]) -> int:
    """Number of the first epoch of the highest merit."""
    return max(history, key=lambda epoch: (epoch.merit, -epoch.epoch)).epoch


def run_title(names: Sequence[object], seed: int) -> str:
    """How messages name a run."""
    return f"{' '.join(map(str, names))} seed {seed}"


def say_best(names: Sequence[object], seed: int, epochs: Sequence[Epoch]) -> None:
    """Print which epoch of a run is the best."""
    best = epochs[best_epoch(epochs) - epochs[0].epoch]
    count, score = len(epochs), best.mean_score
    say(f"{run_title(names, seed)}: best of {count} epochs is {best.epoch}, score {score:.5f}")
