"""Counts of labels, and the labels of users that differ in their rates."""

import numpy as np
from numpy.typing import NDArray

from emm.data.prepare.checks.labels import Labels
from emm.data.prepare.checks.rates import Clusters, design_effect


def counted(positives: int, rows: int) -> Labels:
    return Labels(rows, (rows - positives, positives))


def effect_of(keys: NDArray[np.int64], values: NDArray[np.float64]) -> Clusters:
    _, number = np.unique(keys, return_inverse=True)
    sums = np.bincount(number, values)
    return design_effect(np.bincount(number).astype(float), sums, float((values**2).sum()))


def users(generator: np.random.Generator, rate: float) -> tuple[NDArray[np.int64], NDArray]:
    """Keys and labels of 300 users, each with a rate of their own."""
    sizes = 1 + generator.poisson(19, 300)
    own = generator.beta(5 * rate, 5 * (1 - rate), 300)
    keys = np.repeat(np.arange(300), sizes)
    return keys, (generator.random(len(keys)) < own[keys]).astype(float)
