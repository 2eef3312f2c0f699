"""The logits of a model's predictions, and what predictions are."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emm.data.tables.schema import CLASSES, REGRESSION, Target
from emm.outside.settings import Gives

EDGE = 1e-7
"""Probabilities nearer to 0 or 1 count as this far from it: their logits stay finite."""

_SLACK = 1e-6  # of float32 sums

Values = NDArray[np.floating[Any]]


def looks_like_probabilities(values: Values, kind: str) -> bool:
    """Whether predictions [N, C] can be probabilities: in [0, 1], and of classes, with sum 1."""
    if kind == REGRESSION or not len(values):
        return False
    inside = bool(((values >= -_SLACK) & (values <= 1 + _SLACK)).all())
    sums = values.sum(axis=1)
    return inside and (kind != CLASSES or bool((np.abs(sums - 1) <= 1e-4).all()))


def decide(values: Values, kind: str) -> Gives:
    """What predictions [N, C] of a task of this kind are, by their values."""
    if kind == REGRESSION:
        return "value"
    return "probability" if looks_like_probabilities(values, kind) else "logit"


def to_logits(values: Values, gives: Gives, kind: str, target: Target | None) -> Values:
    """Predictions [N, C] in the scale of a network's output: logits, or standardised values."""
    found = values.astype(np.float64)
    if gives == "value":
        return found if target is None else (found - target.mean) / target.std
    if gives == "logit":
        return found
    found = np.clip(found, EDGE, 1 - EDGE)
    return np.log(found) if kind == CLASSES else np.log(found / (1 - found))


def to_probabilities(values: Values, gives: Gives, kind: str) -> Values:
    """Predictions [N, C] as probabilities; values of a regression as they are."""
    found = values.astype(np.float64)
    if gives != "logit":
        return found
    if kind == CLASSES:
        odds: Values = np.exp(found - found.max(axis=1, keepdims=True))
        shares: Values = odds / odds.sum(axis=1, keepdims=True)
        return shares
    small: Values = np.exp(-np.abs(found))
    return np.where(found >= 0, 1 / (1 + small), small / (1 + small))


def count_extreme(values: Values) -> int:
    """The rows of logits [N, C] whose probability is as good as 0 or 1 (`EDGE`)."""
    return int((np.abs(values) >= np.log((1 - EDGE) / EDGE) - 1e-9).any(axis=1).sum())
