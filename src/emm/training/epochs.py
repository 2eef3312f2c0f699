"""The epochs of a training run, and which of them is the best."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Epoch:
    """One pass over train: mean loss per row and validation score of each task, its AUC or, of a
    regression, R squared."""

    epoch: int
    train_loss: float
    scores: tuple[float, ...]

    @property
    def mean_score(self) -> float:
        return sum(self.scores) / len(self.scores)


def best_epoch(history: Sequence[Epoch]) -> int:
    """Number (from 1) of the first epoch with the highest mean validation score."""
    return max(history, key=lambda epoch: (epoch.mean_score, -epoch.epoch)).epoch
