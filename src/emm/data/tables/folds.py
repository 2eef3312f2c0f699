"""Folds of the rows of train: rows of one group are in the same fold."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emm.core.errors import DataError
from emm.data.tables.rows import Rows

Numbers = NDArray[np.int64]


def folds_of(data: Rows, folds: int, seed: int) -> Tensor:
    """Number of the fold, 0 to ``folds`` - 1, of each of N rows: [N] int64.

    All rows of a group are in one fold; without groups each row is a group of its own. No fold is
    empty. Fold sizes differ by at most the rows of the largest group, and by at most one row where
    at least (``folds`` - 1) times as many rows are single ones. The result depends on the groups,
    ``folds`` and ``seed``, not on the device. Raises DataError if there are fewer groups than
    folds.
    """
    if data.groups is None:
        _check(len(data), folds)
        return torch.from_numpy(_single(len(data), folds, seed))
    groups = data.groups.cpu().numpy()
    if len(groups) and int(groups.max()) > 2 * len(groups):  # few of many: number them again
        groups = np.unique(groups, return_inverse=True)[1]
    sizes = np.bincount(groups)
    own = np.flatnonzero(sizes)
    _check(len(own), folds)
    if len(own) == len(groups):
        return torch.from_numpy(_single(len(groups), folds, seed))
    fold_of_group = np.zeros(len(sizes), np.int64)
    fold_of_group[own] = _dealt(sizes[own], folds, seed)
    return torch.from_numpy(fold_of_group[groups])


def without_fold(data: Rows, fold: int, folds: int, seed: int) -> Rows:
    """The rows outside of one fold, in order."""
    return data.rows(_where(data, fold, folds, seed, inside=False))


def fold_only(data: Rows, fold: int, folds: int, seed: int) -> Rows:
    """The rows of one fold, in order."""
    return data.rows(_where(data, fold, folds, seed, inside=True))


def _where(data: Rows, fold: int, folds: int, seed: int, *, inside: bool) -> Tensor:
    mask = folds_of(data, folds, seed) == fold
    return (mask if inside else ~mask).nonzero().squeeze(1).to(data.labels.device)


def _check(groups: int, folds: int) -> None:
    if groups < folds:
        raise DataError(
            f"train can't be divided into {folds} folds: it has too few groups of rows that belong "
            "together (rows with one value of the split's key, of one block of time, or with equal "
            "features)",
            where="train, groups.parquet",
            got=f"{groups:,} groups",
            expected=f"at least one group for each of {folds} folds",
            next_step="set `folds` lower, or split by a key or time with more values",
        )


def _single(rows: int, folds: int, seed: int) -> Numbers:
    """The folds of rows that belong to no other row; their sizes differ by one row at most."""
    return np.random.default_rng(seed).permutation(rows) % folds


def _dealt(sizes: NDArray[Any], folds: int, seed: int) -> Numbers:
    """The fold of each group: groups are dealt from the largest on, each to the smallest fold.

    Groups of equal size, in random order, are dealt together, so that there are as many steps as
    different sizes. Of folds of equal size the first one counts as the smallest.
    """
    order = np.random.default_rng(seed).permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    found = np.empty(len(sizes), np.int64)
    loads = np.zeros(folds, np.int64)
    starts = np.flatnonzero(np.diff(sizes[order])) + 1
    for groups in np.split(order, starts):
        size = int(sizes[groups[0]])
        counts = _counts(loads, len(groups), size)
        found[groups] = np.repeat(np.arange(folds), counts)
        loads += size * counts
    return found


def _counts(loads: Numbers, groups: int, size: int) -> Numbers:
    """How many of ``groups`` groups of ``size`` rows each fold gets, by its rows so far [K].

    A fold gets a group whenever it is the smallest, that is, at each of the loads l, l + size,
    l + 2 size, ... in ascending order over all folds. So all folds reach one level, which bisection
    finds, and the groups that are left go to the first folds at that level.
    """

    def below(level: int) -> Numbers:
        return np.maximum(-((loads - level) // size), 0)  # rounded up

    low, high = int(loads.min()), int(loads.max()) + groups * size
    while low < high:
        level = (low + high + 1) // 2
        low, high = (low, level - 1) if below(level).sum() > groups else (level, high)
    counts = below(low)
    at_level = np.flatnonzero(loads + counts * size == low)
    counts[at_level[: groups - int(counts.sum())]] += 1
    return counts
