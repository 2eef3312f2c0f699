"""The epochs of a run, and the best of them."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Epoch:
    """One pass over train: its mean loss per labelled row and task, and the validation score of
    each task, which is the AUC, or R squared for a regression."""

    epoch: int
    train_loss: float
    scores: tuple[float, ...]

    @property
    def mean_score(self) -> float:
        return sum(self.scores) / len(self.scores)


def best_epoch(history: Sequence[Epoch]) -> int:
    """Number of the first epoch with the highest mean validation score."""
    return max(history, key=lambda epoch: (epoch.mean_score, -epoch.epoch)).epoch
