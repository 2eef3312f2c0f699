"""Splits of rows: seeded and stratified."""

import numpy as np
from numpy.typing import NDArray


def stratified_half(labels: NDArray[np.uint8], seed: int) -> NDArray[np.bool_]:
    """Choose half of the rows such that every combination of labels is halved; labels [N, T].

    Gives a mask [N]. A combination with an odd number of rows gives its extra row in turn to one
    half and the other. The choice depends on the labels' order and the seed alone.
    """
    generator = np.random.default_rng(seed)
    chosen = np.zeros(len(labels), dtype=bool)
    combinations = np.unique(labels, axis=0, return_inverse=True)[1].reshape(-1)
    extra = 0
    for combination in range(combinations.max(initial=-1) + 1):
        rows = generator.permutation(np.flatnonzero(combinations == combination))
        half, odd = divmod(len(rows), 2)
        chosen[rows[: half + (extra if odd else 0)]] = True
        extra = 1 - extra if odd else extra
    return chosen
