"""Folds of the rows of train."""

import numpy as np
import torch
from torch import Tensor

from emm.data.tables.rows import Rows


def folds_of(rows: int, folds: int, seed: int) -> Tensor:
    """Number of the fold, 0 to ``folds`` - 1, of each of N rows: [N] int64.

    Fold sizes differ by at most one row. The result depends on the arguments only, not on the
    device.
    """
    order = np.random.default_rng(seed).permutation(rows)
    return torch.from_numpy(order % folds)


def without_fold(data: Rows, fold: int, folds: int, seed: int) -> Rows:
    """The rows outside of one fold, in order."""
    return data.rows(_where(data, fold, folds, seed, inside=False))


def fold_only(data: Rows, fold: int, folds: int, seed: int) -> Rows:
    """The rows of one fold, in order."""
    return data.rows(_where(data, fold, folds, seed, inside=True))


def _where(data: Rows, fold: int, folds: int, seed: int, *, inside: bool) -> Tensor:
    mask = folds_of(len(data), folds, seed) == fold
    return (mask if inside else ~mask).nonzero().squeeze(1).to(data.labels.device)
