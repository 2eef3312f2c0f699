"""How boosting went, round by round."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from emm.data.tables.schema import CLASSES, REGRESSION
from emm.metrics.classes import macro_auc
from emm.metrics.ranking import auc
from emm.metrics.regression import r_squared

HISTORY_EVERY = 10
Array = NDArray[Any]


@dataclass(frozen=True)
class Iteration:
    """Mean train loss and validation score after ``iteration`` rounds.

    Log loss in nats and AUC for a binary task, or for one of classes the mean of the one-vs-rest
    AUCs; squared error and R squared for a regression task.
    """

    iteration: int
    train_loss: float
    score: float


@dataclass(frozen=True)
class BoostingHistory:
    """History of one task: the number of rounds kept, every tenth, the best, the last."""

    best_iteration: int
    iterations: tuple[Iteration, ...]


def shown(best: int, last: int) -> list[int]:
    """The rounds of a history: every tenth, the best and the last, in order."""
    return sorted({best, last, *range(HISTORY_EVERY, last, HISTORY_EVERY)})


def score(outputs: Array, labels: Array, kind: str) -> float:
    """The validation score of a task of this kind.

    ``outputs``: [N], what rises with the logits; logits [N, C] of several classes; values of a
    regression. ``labels``: [N].
    """
    found, wanted = torch.from_numpy(outputs), torch.from_numpy(labels)
    if kind == REGRESSION:
        return r_squared(found, wanted)
    return macro_auc(found, wanted) if kind == CLASSES else auc(found, wanted)


def log_loss(logits: Array, labels: Array) -> float:
    """Mean log loss: logits [N], or [N, C] of several classes; labels [N], numbers from 0."""
    if logits.ndim == 1:
        return float((np.logaddexp(0, logits) - labels * logits).mean())
    own = np.take_along_axis(logits, labels[:, None], axis=1)
    return float((np.logaddexp.reduce(logits, axis=1, keepdims=True) - own).mean())


def squared_error(predictions: Array, labels: Array) -> float:
    """Mean of the squared differences: predictions [N], labels [N]."""
    return float(np.square(predictions - labels).mean())
