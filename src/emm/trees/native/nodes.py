"""Trees as plain arrays, one tree at a time, and the `TreeEnsemble` that they make together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from emm.core.errors import ModelFileError
from emm.nn.inputs import Inputs
from emm.trees.forest import OUTSIDE, WORDS, TreeEnsemble
from emm.trees.native.files import TreeFile, cardinality, damaged, unsupported

JOINED = ("column", "threshold", "missing_left", "value", "bitsets")
Array = NDArray[Any]


@dataclass(frozen=True)
class Tree:
    """One tree: arrays of [nodes], the root first; fields as in `TreeEnsemble`.

    Children are positions in this tree, and a leaf is its own child. ``bitset`` is -1 or a row of
    this tree's ``bitsets`` [rows, WORDS]. ``depth``: longest path from the root, in steps.
    """

    column: Array
    threshold: Array
    left: Array
    right: Array
    missing_left: Array
    bitset: Array
    bitsets: Array
    value: Array
    depth: int


def assemble(inputs: Inputs, trees: Sequence[Tree], baseline: float) -> TreeEnsemble:
    """The sum of ``trees``, at least one, and ``baseline``."""
    starts = np.cumsum([0, *(len(tree.value) for tree in trees)])
    rows = np.cumsum([0, *(len(tree.bitsets) for tree in trees)])
    ensemble = TreeEnsemble(
        inputs,
        trees=len(trees),
        nodes=int(starts[-1]),
        bitsets=int(rows[-1]),
        depth=max(tree.depth for tree in trees),
    )
    own = list(zip(trees, starts[:-1], rows[:-1], strict=True))
    values = {name: np.concatenate([getattr(tree, name) for tree in trees]) for name in JOINED}
    values |= {
        "left": np.concatenate([tree.left + start for tree, start, _ in own]),
        "right": np.concatenate([tree.right + start for tree, start, _ in own]),
        "bitset": np.concatenate(
            [np.where(tree.bitset < 0, -1, tree.bitset + row) for tree, _, row in own]
        ),
        "starts": starts[:-1],
        "baseline": np.asarray(baseline),
    }
    ensemble.load_state_dict({name: torch.tensor(array) for name, array in values.items()})
    return ensemble


def reached(file: TreeFile, left: Array, right: Array, leaf: Array) -> Array:
    """Whether each node can be reached from node 0, bool [nodes].

    ModelFileError if a child is out of range or has two parents: only such a file has a circle.
    """
    seen = np.zeros(len(leaf), dtype=np.bool_)
    level = np.zeros(1, dtype=np.int64)
    while len(level):
        if seen[level].any() or len(np.unique(level)) < len(level):
            raise damaged(file, "a node has two parents, or is its own ancestor")
        seen[level] = True
        level = _children(level, left, right, leaf)
        if len(level) and (level.min() < 0 or level.max() >= len(leaf)):
            raise damaged(file, "a child is none of its tree's nodes")
    return seen


def depth(left: Array, right: Array, leaf: Array) -> int:
    """Longest path from node 0 to a leaf, in steps; paths may join but not make a circle."""
    level, steps = np.zeros(1, dtype=np.int64), -1
    while len(level):
        level, steps = np.unique(_children(level, left, right, leaf)), steps + 1
    return steps


def bits(file: TreeFile, column: int, ids: Array, *, listed: bool | Array, others: bool) -> Array:
    """A row of a tree's bitsets, [WORDS] int32: ids go left where ``listed`` (one for all, or one
    each) says so, and all other ids if ``others``. ModelFileError if the column has no such id."""
    size = cardinality(file, column)
    if len(ids) and not (ids.min() >= 0 and ids.max() < size):
        raise unsupported(
            file,
            f"knows ids of {file.columns[column]!r} that the data doesn't have",
            got=f"id {ids.max() if ids.max() >= size else ids.min()}",
            expected=f"ids 0 to {size - 1}",
            next_step="train on the data of this schema.json",
        )
    left = np.full(OUTSIDE + 1, others)
    left[ids] = listed
    return np.packbits(left, bitorder="little").view("<i4").astype(np.int32)


def rows(bitsets: Sequence[Array]) -> Array:
    """``bitsets`` as one array, [rows, WORDS] int32, also when there are none."""
    return np.stack(bitsets) if bitsets else np.zeros((0, WORDS), dtype=np.int32)


def ids_of_categories(file: TreeFile, column: str, categories: object) -> Array:
    """Ids that a library numbered anew, in its own order, int64; ModelFileError for other values.

    Libraries store the categories of a data frame's categorical column, and their trees hold
    positions in that list.
    """
    try:
        values = np.asarray(categories)
        if values.ndim == 1 and (not len(values) or values.dtype.kind in "iuf"):
            ids = values.astype(np.int64)
            if (ids == values).all() and len(np.unique(ids)) == len(ids):
                return ids
    except (OverflowError, TypeError, ValueError) as error:
        raise _no_ids(file, column) from error
    raise _no_ids(file, column)


def _no_ids(file: TreeFile, column: str) -> ModelFileError:
    return unsupported(
        file,
        f"has categories of {column!r} that are no ids",
        got="text or other values",
        expected="the int32 ids of the processed data",
        next_step="train on the processed columns",
    )


def _children(level: Array, left: Array, right: Array, leaf: Array) -> Array:
    inner = level[~leaf[level]]
    return np.concatenate([left[inner], right[inner]])
