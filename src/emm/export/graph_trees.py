"""Boosted trees as the operator TreeEnsemble of ai.onnx.ml 5, with doubles and sets of ids."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from emm.export.nodes import ML, Nodes
from emm.trees.forest import OUTSIDE, TreeEnsemble

_AT_MOST, _MEMBER = 0, 6  # modes of a node: value <= split, and value in a set
_SUM, _NONE = 1, 0  # of the values of all leaves, without a function on top


class Trees(NamedTuple):
    """An ensemble, and the column of the result to which each of its trees adds, [trees]."""

    ensemble: TreeEnsemble
    columns: np.ndarray


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


def add_trees(nodes: Nodes, features: str, trees: Sequence[Trees], width: int) -> str:
    """Add the sums of trees by column: features [B, D + F] double -> [B, width] double.

    The order of the sums is that of the trees, and numbers are compared and added as doubles: with
    one thread they are equal to `TreeEnsemble.shares` bit by bit.
    """
    return add_forest(nodes, features, joined([_forest(each) for each in trees]), width)


def add_forest(nodes: Nodes, features: str, forest: Forest, width: int) -> str:
    """Add the sums of trees by column: features [B, columns] double -> [B, width] double."""
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


def shares_of(ensemble: TreeEnsemble, levels: int, start: int) -> Trees:
    """The trees of an ensemble that add to the shares of the levels in its logits: to the columns
    from ``start`` on, output by output (`TreeEnsemble.shares`)."""
    trees = np.arange(ensemble.starts.shape[0])
    rounds = max(1, len(trees) // ensemble.outputs)
    level = trees // ensemble.outputs * levels // rounds
    return Trees(ensemble, start + trees % ensemble.outputs * levels + level)


def logits_of(ensemble: TreeEnsemble, start: int) -> Trees:
    """The trees of an ensemble that add to its logits, the columns from ``start`` on."""
    trees = np.arange(ensemble.starts.shape[0])
    return Trees(ensemble, start + trees % ensemble.outputs)


def _forest(trees: Trees) -> Forest:
    buffers = {name: each.cpu().numpy() for name, each in trees.ensemble.named_buffers()}
    # Of the ids in each set, those that the encoder gives.
    bits = buffers["bitsets"].astype("<i4").view(np.uint8)
    sets = np.unpackbits(bits, axis=1, bitorder="little")[:, :OUTSIDE]
    return Forest(
        starts=buffers["starts"],
        left=buffers["left"],
        right=buffers["right"],
        column=buffers["column"],
        threshold=buffers["threshold"],
        missing_left=buffers["missing_left"],
        set=buffers["bitset"],
        sets=[np.flatnonzero(row) for row in sets],
        value=buffers["value"],
        to=trees.columns,
    )


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
