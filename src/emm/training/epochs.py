"""The epochs of a run, and the best of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Epoch:
    """One pass over train: its mean loss per labelled row and task, and the validation score of
    each task, which is the AUC, or R squared for a regression. ``smoothed``: see `smoothed`."""

    epoch: int
    train_loss: float
    scores: tuple[float, ...]
    smoothed: float | None = None

    @property
    def mean_score(self) -> float:
        return sum(self.scores) / len(self.scores)

    @property
    def merit(self) -> float:
        """What the epoch is chosen by: its mean score, or the smoothed one."""
        return self.mean_score if self.smoothed is None else self.smoothed


def smoothed(epoch: Epoch, history: Sequence[Epoch], window: int) -> Epoch:
    """The epoch with the mean of the last ``window`` mean scores, its own included.

    On a few positives the score of one epoch is mostly luck. ``history``: the epochs before it; a
    window of 1 changes nothing.
    """
    if window == 1:
        return epoch
    last = [*history, epoch][-window:]
    return replace(epoch, smoothed=sum(each.mean_score for each in last) / len(last))


def best_epoch(history: Sequence[Epoch]) -> int:
    """Number of the first epoch of the highest merit."""
    return max(history, key=lambda epoch: (epoch.merit, -epoch.epoch)).epoch
