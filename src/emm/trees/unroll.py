"""Trees whose leaves are numbered from left to right."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emm.trees.leaf_masks import BITS

Array = NDArray[Any]


@dataclass(frozen=True)
class Unrolled:
    """Inner nodes and leaves of trees, each as often as paths lead to it.

    A tree's leaves have consecutive numbers, and each tree begins at a multiple of 32. Leaves
    ``low`` to ``middle`` - 1 are below a node's left child, ``middle`` to ``high`` - 1 below the
    right one.

    Attributes:
        words: of 32 leaves, of each tree, [trees].
        node, low, middle, high: of the inner nodes, [n].
        leaf, leaf_at: node and number of each leaf, [leaves].
    """

    words: Array
    node: Array
    low: Array
    middle: Array
    high: Array
    leaf: Array
    leaf_at: Array

    @property
    def total(self) -> int:
        """Words of all trees."""
        return int(self.words.sum())

    def part(self, start: int, stop: int) -> "Unrolled":
        """Trees ``start`` to ``stop`` - 1 only, with leaves from number 0."""
        ends = np.cumsum([0, *self.words]) * BITS
        first, last = ends[start], ends[stop]
        inner = (self.low >= first) & (self.low < last)
        leaves = (self.leaf_at >= first) & (self.leaf_at < last)
        return Unrolled(
            words=self.words[start:stop],
            node=self.node[inner],
            low=self.low[inner] - first,
            middle=self.middle[inner] - first,
            high=self.high[inner] - first,
            leaf=self.leaf[leaves],
            leaf_at=self.leaf_at[leaves] - first,
        )


@dataclass(frozen=True)
class _Level:
    """Nodes of all trees in one depth; those below are the children of the inner ones in pairs."""

    node: Array
    inner: Array
    leaves: Array  # below each node


def unroll(starts: Array, left: Array, right: Array, depth: int, most: int) -> Unrolled | None:
    """The trees that begin at ``starts``; a leaf is its own child.

    None if a tree has more than ``most`` leaves or is deeper than ``depth``.
    """
    levels, node = [], starts
    for _ in range(depth + 1):
        inner = left[node] != node
        levels.append(_Level(node, inner, np.ones(len(node), np.int64)))
        if 2 * inner.sum() > most * len(starts):
            return None
        node = np.stack([left[node[inner]], right[node[inner]]], axis=1).ravel()
    if len(node):
        return None
    for at in reversed(range(depth)):
        levels[at].leaves[levels[at].inner] = levels[at + 1].leaves.reshape(-1, 2).sum(axis=1)
    if (levels[0].leaves > most).any():
        return None
    return _numbered(levels)


def _numbered(levels: list[_Level]) -> Unrolled:
    words = -(-levels[0].leaves // BITS)
    low = (np.cumsum(words) - words) * BITS
    bounds, leaves = [], []
    for at, level in enumerate(levels):
        leaves.append((level.node[~level.inner], low[~level.inner]))
        own = low[level.inner]
        below = levels[at + 1].leaves if at + 1 < len(levels) else own
        middle = own + below[::2]
        bounds.append((level.node[level.inner], own, middle, own + level.leaves[level.inner]))
        low = np.stack([own, middle], axis=1).ravel()
    node, start, middle, end = (np.concatenate(parts) for parts in zip(*bounds, strict=True))
    leaf, leaf_at = (np.concatenate(parts) for parts in zip(*leaves, strict=True))
    return Unrolled(words, node, start, middle, end, leaf, leaf_at)
