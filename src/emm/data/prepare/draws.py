"""Seeded draws of rows."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


def drawn(count: int, shares: Sequence[float], seed: int) -> list[NDArray[np.int64]]:
    """For each of ``shares`` the numbers of that share of ``count`` things, none of them twice."""
    order = np.random.default_rng(seed).permutation(count)
    ends = np.cumsum([0, *(round(share * count) for share in shares)])
    return [order[start:end] for start, end in pairwise(ends)]


def stratified_half(labels: NDArray[np.uint8], seed: int) -> NDArray[np.bool_]:
    """Choose half of the rows such that every combination of binary labels is halved.

    labels: [N, T], of a few tasks.

    Gives a mask [N]. A combination with an odd number of rows gives its extra row in turn to one
    half and the other. The choice depends on the labels' order and the seed alone.
    """
    generator = np.random.default_rng(seed)
    chosen = np.zeros(len(labels), dtype=bool)
    # A combination's number has its first label as the highest digit.
    digits = 2 ** np.arange(labels.shape[1], dtype=np.int64)[::-1]
    combinations = labels @ digits
    extra = 0
    for combination in np.flatnonzero(np.bincount(combinations)):
        rows = generator.permutation(np.flatnonzero(combinations == combination))
        half, odd = divmod(len(rows), 2)
        chosen[rows[: half + (extra if odd else 0)]] = True
        extra = 1 - extra if odd else extra
    return chosen
