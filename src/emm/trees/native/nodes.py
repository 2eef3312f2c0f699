"""Trees as a file describes them: plain arrays, tree by tree, over the file's own features."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emm.trees.native.files import damaged

Array = NDArray[Any]


@dataclass(frozen=True)
class Tree:
    """One tree: arrays of [nodes], the root first. Children are positions; a leaf is its own child.

    A node with ``set`` -1 sends values <= ``threshold`` left, and missing values left if
    ``missing_left``. Any other node reads a category code: ``sets[set]`` are the codes that go to
    the side opposite to all other codes, which is the same in all trees of a file.
    """

    feature: Array
    threshold: Array  # float64
    left: Array
    right: Array
    missing_left: Array
    set: Array
    sets: Sequence[Array]
    value: Array

    @property
    def leaf(self) -> Array:
        """Whether each node is a leaf, bool [nodes]."""
        return np.asarray(self.left == np.arange(len(self.left)))


@dataclass(frozen=True)
class Feature:
    """A feature of a file.

    Attributes:
        name: None if the file names none.
        categories: of a data frame's category column, in the order of their codes; None if the
            values themselves are numbers or codes.
        least, most: the values that it had in training (LightGBM), or its thresholds (XGBoost);
            None if it is in no split, or if the file doesn't say.
    """

    name: str | None
    categories: Sequence[object] | None = None
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class NativeTrees:
    """The trees of a file, which predict logits, or the value itself for a regression.

    Attributes:
        trees: tree k adds to output k % ``outputs``.
        baseline: [] or [outputs], before the first tree.
        others_left: codes outside of a split's set go left.
        single: values are rounded to float32 before they are compared.
        underscores: names of features have underscores for blanks.
        zero: values from -zero to zero are read as 0; 0 if none is.
        unlisted: the features that are split by categories whose list the file lost.
        notes: sentences about what the file leaves open.
    """

    file: Path
    features: Sequence[Feature]
    trees: Sequence[Tree]
    baseline: Array
    outputs: int
    others_left: bool
    single: bool
    underscores: bool = False
    zero: float = 0.0
    unlisted: Sequence[int] = ()
    notes: Sequence[str] = ()

    def names_of(self, columns: Sequence[str]) -> list[str]:
        """How the file names features that are called like these columns."""
        return [name.replace(" ", "_") if self.underscores else name for name in columns]

    def used(self, *, sets: bool) -> Array:
        """The features that are split by sets of codes, or else by thresholds: ascending, int64."""
        found = [tree.feature[~tree.leaf & ((tree.set >= 0) == sets)] for tree in self.trees]
        return np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *found]))


def reachable(file: Path, left: Array, right: Array, leaf: Array) -> Array:
    """Whether each node can be reached from node 0, bool [nodes].

    Raises ModelFileError if a child is out of range or has two parents, which any cycle implies.
    """
    seen = np.zeros(len(leaf), dtype=np.bool_)
    level = np.zeros(1, dtype=np.int64)
    while len(level):
        if seen[level].any() or len(np.unique(level)) < len(level):
            raise damaged(file, "a node has two parents, or is its own ancestor")
        seen[level] = True
        level = _children(level, left, right, leaf)
        if len(level) and (level.min() < 0 or level.max() >= len(leaf)):
            raise damaged(file, "a child is not a node of its tree")
    return seen


def depth(left: Array, right: Array) -> int:
    """Longest path from node 0 to a leaf, in steps; paths may join but not form a cycle."""
    leaf = (left == np.arange(len(left))) & (right == np.arange(len(right)))
    level, steps = np.zeros(1, dtype=np.int64), -1
    while len(level):
        level, steps = np.unique(_children(level, left, right, leaf)), steps + 1
    return steps


def _children(level: Array, left: Array, right: Array, leaf: Array) -> Array:
    inner = level[~leaf[level]]
    return np.concatenate([left[inner], right[inner]])
