"""Trees of a file, placed on columns of numbers and of ids: as a `TreeEnsemble`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from emm.nn.inputs import Inputs
from emm.trees.forest import CATEGORIES, OUTSIDE, WORDS, TreeEnsemble
from emm.trees.native.nodes import Array, Tree, depth


@dataclass(frozen=True)
class IdSet:
    """A set of ids, distinct and ascending, and whether all ids outside of it go left."""

    ids: Array
    others_left: bool


@dataclass(frozen=True)
class Placement:
    """How the trees of a file read the D + F columns of an ensemble.

    Attributes:
        columns: column of each feature, [features], for splits by thresholds.
        fields: column of each feature for splits by sets, a sparse field.
        thresholds: from the features [n] and thresholds [n] of nodes to float32 thresholds.
        id_set: of the feature, codes and direction of missing values of a split.
    """

    inputs: Inputs
    columns: Array
    fields: Array
    thresholds: Callable[[Array, Array], Array]
    id_set: Callable[[int, Array, bool], IdSet]


def assemble(
    placement: Placement, trees: Sequence[Tree], baseline: Array, outputs: int
) -> TreeEnsemble:
    """The ensemble of ``trees``, at least one, and ``baseline``, [] or [outputs].

    Tree k adds to output k % ``outputs``. Sets of ids in fields of at most 255 ids become bitsets,
    larger ones a search among intervals of ids.
    """
    placed = [_place(placement, tree) for tree in trees]
    starts = np.cumsum([0, *(len(tree["value"]) for tree in placed)])
    rows = np.cumsum([0, *(len(tree["bitsets"]) for tree in placed)])
    ensemble = TreeEnsemble(
        placement.inputs,
        trees=len(trees),
        nodes=int(starts[-1]),
        bitsets=int(rows[-1]),
        depth=max(depth(tree["left"], tree["right"]) for tree in placed),
        outputs=outputs,
    )
    for tree, start, row in zip(placed, starts, rows, strict=False):
        tree["left"], tree["right"] = tree["left"] + start, tree["right"] + start
        tree["bitset"] = np.where(tree["bitset"] < 0, -1, tree["bitset"] + row)
    values = {name: np.concatenate([tree[name] for tree in placed]) for name in placed[0]}
    values |= {"starts": starts[:-1], "baseline": np.asarray(baseline, dtype=np.float64)}
    ensemble.load_state_dict({name: torch.tensor(array) for name, array in values.items()})
    return ensemble


def _place(placement: Placement, tree: Tree) -> dict[str, Array]:
    """The buffers of a tree, whose children and rows of ``bitsets`` count from 0."""
    by_set = (tree.set >= 0) & ~tree.leaf
    columns = np.where(by_set, placement.fields[tree.feature], placement.columns[tree.feature])
    nodes = {
        "column": np.where(tree.leaf, 0, columns),
        "threshold": placement.thresholds(tree.feature, tree.threshold).astype(np.float32),
        "left": tree.left,
        "right": tree.right,
        "missing_left": tree.missing_left.astype(np.bool_),
        "bitset": np.full(len(tree.left), -1),
        "value": tree.value.astype(np.float64),
    }
    bitsets: list[Array] = []
    searches: list[tuple[int, IdSet]] = []
    for node in np.flatnonzero(by_set).tolist():
        feature, codes = int(tree.feature[node]), tree.sets[tree.set[node]]
        ids = placement.id_set(feature, codes, bool(tree.missing_left[node]))
        field = int(placement.fields[feature]) - placement.inputs.dense
        if placement.inputs.cardinalities[field] <= CATEGORIES:
            nodes["bitset"][node] = len(bitsets)
            bitsets.append(_bitset(ids))
        else:
            searches.append((node, ids))
    _append_searches(nodes, searches)
    stacked = np.stack(bitsets) if bitsets else np.zeros((0, WORDS), dtype=np.int32)
    return {**nodes, "bitsets": stacked}


def _bitset(split: IdSet) -> Array:
    """The bitset of a split, [WORDS] int32."""
    left = np.full(OUTSIDE + 1, split.others_left)
    left[split.ids] = not split.others_left
    return np.packbits(left, bitorder="little").view("<i4").astype(np.int32)


def _append_searches(nodes: dict[str, Array], splits: Sequence[tuple[int, IdSet]]) -> None:
    """Turn splits by sets into binary searches: new nodes, whose leaves are a split's children."""
    new: dict[str, list[float]] = {name: [] for name in ("column", "threshold", "left", "right")}
    size = len(nodes["left"])
    for node, ids in splits:
        search = _search(ids, size + len(new["left"]) - 1)
        sides = {LEFT: int(nodes["left"][node]), RIGHT: int(nodes["right"][node])}
        children = [[sides.get(child, child) for child in pair] for _, *pair in search]
        nodes["threshold"][node] = search[0][0]
        # The first node of the search takes the place of the split.
        nodes["left"][node], nodes["right"][node] = children[0]
        new["column"] += [int(nodes["column"][node])] * (len(search) - 1)
        new["threshold"] += [threshold for threshold, *_ in search[1:]]
        new["left"] += [left for left, _ in children[1:]]
        new["right"] += [right for _, right in children[1:]]
    added = {name: np.array(values, nodes[name].dtype) for name, values in new.items()}
    count = len(new["left"])
    for name, padding in (("missing_left", 0), ("bitset", -1), ("value", 0)):
        added[name] = np.full(count, padding, nodes[name].dtype)
    nodes |= {name: np.concatenate([nodes[name], part]) for name, part in added.items()}


LEFT, RIGHT = -1, -2


def _search(split: IdSet, offset: int) -> list[tuple[float, int, int]]:
    """Nodes (threshold, left, right) that find an id's side; children are LEFT, RIGHT, or the
    position of a node plus ``offset``, which isn't less than 0.

    The thresholds are the largest ids of all intervals of neighbouring ids that go to one side.
    """
    ids = split.ids
    first = ids[np.flatnonzero(np.diff(ids, prepend=-2) > 1)]  # of each interval in the set
    last = ids[np.flatnonzero(np.diff(ids, append=np.iinfo(np.int64).max) > 1)]
    bounds = np.sort(np.concatenate([first - 1, last])).tolist()
    sides = (LEFT, RIGHT) if split.others_left else (RIGHT, LEFT)
    if not bounds:
        return [(np.inf, sides[0], sides[0])]
    nodes: list[tuple[float, int, int]] = []

    def build(start: int, stop: int) -> int:
        """The node, or side, that searches bounds ``start`` to ``stop`` - 1."""
        if start == stop:
            return sides[start % 2]
        middle, place = (start + stop) // 2, len(nodes)
        nodes.append((0.0, 0, 0))
        left, right = build(start, middle), build(middle + 1, stop)
        nodes[place] = (float(bounds[middle]), left, right)
        return place + offset

    build(0, len(bounds))
    return nodes


def float32_below(threshold: Array, zero: float = 0.0) -> Array:
    """Float32 thresholds that split float32 values like the float64 ones, with ``<=``.

    ``zero``: values from -zero to zero are read as 0, and so are on one side of any threshold.
    """
    with np.errstate(over="ignore"):
        nearest = threshold.astype(np.float32)
    # x <= threshold is equivalent to x <= the next float32 below it.
    down = np.where(nearest > threshold, np.nextafter(nearest, np.float32(-np.inf)), nearest)
    if not zero:
        return down
    bound = np.float32(zero)
    below = np.nextafter(-bound, np.float32(-1))
    return np.where(
        (down >= -bound) & (down <= bound), np.where(threshold >= 0, bound, below), down
    )
