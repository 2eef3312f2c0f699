"""Trees as operators of ai.onnx.ml: TreeEnsemble of version 5, and TreeEnsembleRegressor before."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from emm.export.nodes import ML, ML_OPSET, Nodes

_AT_MOST, _MEMBER = 0, 6  # modes of a node: value <= split, and value in a set
_SUM, _NONE = 1, 0  # of the values of all leaves, without a function on top


class Forest(NamedTuple):
    """Nodes of trees one after another, as in `TreeEnsemble`; a leaf is its own child.

    ``column``: of the features; ``set``: -1, or the place in ``sets`` of the values that go left;
    ``to``: for each tree, the column of the result to which it adds.
    """

    starts: np.ndarray
    left: np.ndarray
    right: np.ndarray
    column: np.ndarray
    threshold: np.ndarray
    missing_left: np.ndarray
    set: np.ndarray
    sets: Sequence[np.ndarray]
    value: np.ndarray
    to: np.ndarray


def add_forest(nodes: Nodes, features: str, forest: Forest, baseline: np.ndarray) -> str:
    """Add the sums of trees by column and ``baseline`` [width]: features [B, columns] double ->
    [B, width] double, of float32 precision if the trees are an operator of an older version."""
    if not len(forest.starts):
        return _for_each_row(nodes, features, baseline)
    if nodes.versions[ML] < ML_OPSET:
        return nodes.cast(_older(nodes, features, forest, baseline), "DOUBLE")
    sums = _newer(nodes, features, forest, len(baseline))
    return nodes.add("Add", [sums, nodes.constant(baseline.reshape(1, -1))])


def _for_each_row(nodes: Nodes, rows: str, values: np.ndarray) -> str:
    """The same values [width] in each row of ``rows`` [B, K]: [B, width]."""
    zero, one = nodes.constant(np.array([0])), nodes.constant(np.array([1]))
    count = nodes.add("Slice", [nodes.add("Shape", [rows]), zero, one])
    size = nodes.add("Concat", [count, one], axis=0)
    return nodes.add("Expand", [nodes.constant(values.reshape(1, -1)), size])


def _newer(nodes: Nodes, features: str, forest: Forest, width: int) -> str:
    """The operator TreeEnsemble, which knows sets."""
    left, right = forest.left, forest.right
    places = np.arange(len(left))
    leaf = left == places
    # A root without children can't be written: it becomes a node whose children both are the leaf.
    inner = ~leaf | np.isin(places, forest.starts)
    node, place = np.cumsum(inner) - 1, np.cumsum(leaf) - 1
    own = np.flatnonzero(inner)
    true, false, asked = left[own], right[own], forest.set[own]
    # A set without values has nothing to list; nothing is below minus infinity either.
    empty = np.array([row >= 0 and len(forest.sets[row]) == 0 for row in asked], bool)
    asks = (asked >= 0) & ~empty
    array = nodes.onnx.numpy_helper.from_array
    splits = np.where(empty, -np.inf, np.where(asks, 0, forest.threshold[own]))
    members = [np.append(forest.sets[row].astype(np.float64), np.nan) for row in asked[asks]]
    optional = {"membership_values": array(np.concatenate(members))} if members else {}
    missing_true = np.where(asked >= 0, False, forest.missing_left[own])
    return nodes.add(
        "TreeEnsemble",
        [features],
        domain=ML,
        aggregate_function=_SUM,
        post_transform=_NONE,
        n_targets=width,
        tree_roots=node[forest.starts].tolist(),
        nodes_featureids=forest.column[own].tolist(),
        nodes_splits=array(splits.astype(np.float64)),
        nodes_modes=array(np.where(asks, _MEMBER, _AT_MOST).astype(np.uint8)),
        nodes_missing_value_tracks_true=missing_true.astype(np.int64).tolist(),
        nodes_truenodeids=np.where(leaf[true], place[true], node[true]).tolist(),
        nodes_trueleafs=leaf[true].astype(np.int64).tolist(),
        nodes_falsenodeids=np.where(leaf[false], place[false], node[false]).tolist(),
        nodes_falseleafs=leaf[false].astype(np.int64).tolist(),
        leaf_targetids=forest.to[_owners(forest)[leaf]].tolist(),
        leaf_weights=array(forest.value[leaf].astype(np.float64)),
        **optional,
    )


def _older(nodes: Nodes, features: str, forest: Forest, baseline: np.ndarray) -> str:
    """The operator TreeEnsembleRegressor, [B, width] float32: a node that asks for a set becomes a
    chain of nodes, each of which asks for one value, with the same child."""
    owner = _owners(forest)
    leaf = forest.left == np.arange(len(forest.left))
    # The first node of a tree is its root.
    order = np.lexsort([~np.isin(np.arange(len(leaf)), forest.starts), owner])
    sizes = np.array([max(1, len(forest.sets[at])) if at >= 0 else 1 for at in forest.set[order]])
    first = np.empty(len(leaf), np.int64)
    first[order] = np.cumsum(sizes) - sizes
    node = np.repeat(order, sizes)
    step = np.arange(len(node)) - first[node]
    last = step == np.repeat(sizes, sizes) - 1
    values, modes = _questions(forest, leaf, node, step)
    array = nodes.onnx.numpy_helper.from_array
    false = np.where(last, first[forest.right[node]], np.arange(len(node)) + 1)
    ends = np.flatnonzero(leaf)
    return nodes.add(
        "TreeEnsembleRegressor",
        [features],
        domain=ML,
        aggregate_function="SUM",
        post_transform="NONE",
        n_targets=len(baseline),
        base_values_as_tensor=array(baseline.astype(np.float64)),
        nodes_treeids=owner[node].tolist(),
        nodes_nodeids=np.arange(len(node)).tolist(),
        nodes_featureids=forest.column[node].tolist(),
        nodes_modes=modes.tolist(),
        nodes_values_as_tensor=array(values),
        nodes_truenodeids=np.where(leaf[node], 0, first[forest.left[node]]).tolist(),
        nodes_falsenodeids=np.where(leaf[node], 0, false).tolist(),
        nodes_missing_value_tracks_true=forest.missing_left[node].astype(np.int64).tolist(),
        target_treeids=owner[ends].tolist(),
        target_nodeids=first[ends].tolist(),
        target_ids=forest.to[owner[ends]].tolist(),
        target_weights_as_tensor=array(forest.value[ends].astype(np.float64)),
    )


def _questions(
    forest: Forest, leaf: np.ndarray, node: np.ndarray, step: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The number with which each node compares, and how; ``step``: its place in its chain."""
    values = forest.threshold[node].astype(np.float64)
    modes = np.where(leaf[node], "LEAF", "BRANCH_LEQ").astype("<U10")
    for at in np.flatnonzero(forest.set[node] >= 0):
        members = forest.sets[forest.set[node[at]]]
        if len(members):
            values[at], modes[at] = members[step[at]], "BRANCH_EQ"
        else:
            values[at] = -np.inf
    return values, modes


def joined(forests: Sequence[Forest]) -> Forest:
    """Forests one after another."""
    starts = np.cumsum([0, *(len(each.left) for each in forests)])
    sets = np.cumsum([0, *(len(each.sets) for each in forests)])
    moved = [
        each._replace(
            starts=each.starts + start,
            left=each.left + start,
            right=each.right + start,
            set=np.where(each.set < 0, -1, each.set + first),
        )
        for each, start, first in zip(forests, starts, sets, strict=False)
    ]
    arrays = {
        name: np.concatenate([getattr(each, name) for each in moved])
        for name in Forest._fields
        if name != "sets"
    }
    return Forest(**arrays, sets=[ids for each in moved for ids in each.sets])


def _owners(forest: Forest) -> np.ndarray:
    """The tree of each node."""
    owner = np.zeros(len(forest.left), np.int64)
    here = forest.starts
    owner[here] = np.arange(len(here))
    while len(here):
        children = np.concatenate([forest.left[here], forest.right[here]])
        owner[children] = np.tile(owner[here], 2)
        here = children[forest.left[children] != children]
    return owner
