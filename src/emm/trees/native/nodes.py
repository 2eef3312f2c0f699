"""Trees as plain arrays, tree by tree, and their combination into one `TreeEnsemble`."""

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

CONCATENATED = ("column", "threshold", "missing_left", "value", "bitsets")
Array = NDArray[Any]


@dataclass(frozen=True)
class Tree:
    """One tree: arrays of [nodes], the root first, with the meaning they have in `TreeEnsemble`.

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


def assemble(
    inputs: Inputs, trees: Sequence[Tree], baseline: float | Array, outputs: int = 1
) -> TreeEnsemble:
    """The ensemble of ``trees``, at least one, and ``baseline``, [outputs] if there are several.

    Tree k adds to output k % ``outputs``.
    """
    starts = np.cumsum([0, *(len(tree.value) for tree in trees)])
    rows = np.cumsum([0, *(len(tree.bitsets) for tree in trees)])
    ensemble = TreeEnsemble(
        inputs,
        trees=len(trees),
        nodes=int(starts[-1]),
        bitsets=int(rows[-1]),
        depth=max(tree.depth for tree in trees),
        outputs=outputs,
    )
    placed = list(zip(trees, starts[:-1], rows[:-1], strict=True))
    values = {
        name: np.concatenate([getattr(tree, name) for tree in trees]) for name in CONCATENATED
    }
    values |= {
        "left": np.concatenate([tree.left + start for tree, start, _ in placed]),
        "right": np.concatenate([tree.right + start for tree, start, _ in placed]),
        "bitset": np.concatenate(
            [np.where(tree.bitset < 0, -1, tree.bitset + row) for tree, _, row in placed]
        ),
        "starts": starts[:-1],
        "baseline": np.asarray(baseline, dtype=np.float64),
    }
    ensemble.load_state_dict({name: torch.tensor(array) for name, array in values.items()})
    return ensemble


def reachable(file: TreeFile, left: Array, right: Array, leaf: Array) -> Array:
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


def depth(left: Array, right: Array, leaf: Array) -> int:
    """Longest path from node 0 to a leaf, in steps; paths may join but not form a cycle."""
    level, steps = np.zeros(1, dtype=np.int64), -1
    while len(level):
        level, steps = np.unique(_children(level, left, right, leaf)), steps + 1
    return steps


def bitset_of(
    file: TreeFile, column: int, ids: Array, *, listed: bool | Array, others: bool
) -> Array:
    """The bitset of a split, [WORDS] int32.

    Args:
        listed: whether ``ids`` go left, one value for all or one for each.
        others: whether all other ids go left.

    Raises ModelFileError if the column has no such id.
    """
    size = cardinality(file, column)
    if len(ids) and not (ids.min() >= 0 and ids.max() < size):
        raise unsupported(
            file,
            f"splits on ids of {file.columns[column]!r} that the data doesn't have",
            got=f"id {ids.max() if ids.max() >= size else ids.min()}",
            expected=f"ids 0 to {size - 1}",
            next_step="train on the data of this schema.json",
        )
    left = np.full(OUTSIDE + 1, others)
    left[ids] = listed
    return np.packbits(left, bitorder="little").view("<i4").astype(np.int32)


def stack_bitsets(bitsets: Sequence[Array]) -> Array:
    """``bitsets`` as one array, [rows, WORDS] int32; there may be none."""
    return np.stack(bitsets) if bitsets else np.zeros((0, WORDS), dtype=np.int32)


def ids_of_categories(file: TreeFile, column: str, categories: object) -> Array:
    """The id of each category code of a data frame's categorical column, int64.

    A library stores the column's categories, and its trees split on positions in this list. Raises
    ModelFileError unless the categories are distinct integers.
    """
    try:
        values = np.asarray(categories)
        if values.ndim == 1 and (not len(values) or values.dtype.kind in "iuf"):
            ids = values.astype(np.int64)
            if (ids == values).all() and len(np.unique(ids)) == len(ids):
                return ids
    except (OverflowError, TypeError, ValueError) as error:
        raise _not_ids(file, column) from error
    raise _not_ids(file, column)


def _not_ids(file: TreeFile, column: str) -> ModelFileError:
    return unsupported(
        file,
        f"has categories of {column!r} that are not ids",
        got="text or other values",
        expected="the int32 ids of the processed data",
        next_step="train on the processed columns",
    )


def _children(level: Array, left: Array, right: Array, leaf: Array) -> Array:
    inner = level[~leaf[level]]
    return np.concatenate([left[inner], right[inner]])
