"""Equal parts of a split's rows, the same ones for everyone who asks."""

import numpy as np
import torch
from torch import Tensor

from emm.data.tables.batches import Rows


def folds_of(rows: int, folds: int, seed: int) -> Tensor:
    """The part, 0 to ``folds`` - 1, that each of N rows belongs to: [N] int64.

    Sizes differ by one row at most. The same arguments give the same parts, whatever the device.
    """
    order = np.random.default_rng(seed).permutation(rows)
    return torch.from_numpy(order % folds)


def without_fold(table: Rows, fold: int, folds: int, seed: int) -> Rows:
    """The rows outside of one part, in their order."""
    return table.rows(_where(table, fold, folds, seed, inside=False))


def fold_only(table: Rows, fold: int, folds: int, seed: int) -> Rows:
    """The rows of one part, in their order."""
    return table.rows(_where(table, fold, folds, seed, inside=True))


def _where(table: Rows, fold: int, folds: int, seed: int, *, inside: bool) -> Tensor:
    mask = folds_of(len(table), folds, seed) == fold
    return (mask if inside else ~mask).nonzero().squeeze(1).to(table.labels.device)
