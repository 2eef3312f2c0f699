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


class _Arrays(NamedTuple):
    """The nodes of trees that split, and their leaves, one after another.

    ``true``, ``false``: places of the children among nodes, or among leaves where ``*_leaf`` is
    set; ``sets``: the ids of each node that asks for a set, in order.
    """

    feature: np.ndarray
    split: np.ndarray
    mode: np.ndarray
    missing_true: np.ndarray
    true: np.ndarray
    false: np.ndarray
    true_leaf: np.ndarray
    false_leaf: np.ndarray
    sets: list[np.ndarray]
    roots: np.ndarray
    value: np.ndarray
    column: np.ndarray


def add_trees(nodes: Nodes, features: str, trees: Sequence[Trees], width: int) -> str:
    """Add the sums of trees by column: features [B, D + F] double -> [B, width] double.

    The order of the sums is that of the trees, and numbers are compared and added as doubles: with
    one thread they are equal to `TreeEnsemble.shares` bit by bit.
    """
    every = _joined([_arrays(each) for each in trees])
    array = nodes.onnx.numpy_helper.from_array
    member = [np.append(ids.astype(np.float64), np.nan) for ids in every.sets]
    optional = {"membership_values": array(np.concatenate(member))} if member else {}
    return nodes.add(
        "TreeEnsemble",
        [features],
        domain=ML,
        aggregate_function=_SUM,
        post_transform=_NONE,
        n_targets=width,
        tree_roots=every.roots.tolist(),
        nodes_featureids=every.feature.tolist(),
        nodes_splits=array(every.split.astype(np.float64)),
        nodes_modes=array(every.mode.astype(np.uint8)),
        nodes_missing_value_tracks_true=every.missing_true.astype(np.int64).tolist(),
        nodes_truenodeids=every.true.tolist(),
        nodes_trueleafs=every.true_leaf.astype(np.int64).tolist(),
        nodes_falsenodeids=every.false.tolist(),
        nodes_falseleafs=every.false_leaf.astype(np.int64).tolist(),
        leaf_targetids=every.column.tolist(),
        leaf_weights=array(every.value.astype(np.float64)),
        **optional,
    )


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


def _arrays(trees: Trees) -> _Arrays:
    buffers = {name: each.numpy() for name, each in trees.ensemble.cpu().named_buffers()}
    left, right = buffers["left"], buffers["right"]
    # A root without children can't be written: it becomes a node whose children both are the leaf.
    leaf = left == np.arange(len(left))
    alone = leaf & np.isin(np.arange(len(left)), buffers["starts"])
    inner = ~leaf | alone
    node, place = np.cumsum(inner) - 1, np.cumsum(leaf) - 1
    own = np.flatnonzero(inner)
    first, second = left[own], right[own]
    sets = buffers["bitset"][own]
    ids = _ids(buffers["bitsets"])
    # A set without ids has no members to list; nothing is below minus infinity either.
    empty = np.array([len(ids[row]) == 0 if row >= 0 else False for row in sets], bool)
    asks = (sets >= 0) & ~empty
    return _Arrays(
        feature=buffers["column"][own],
        split=np.where(empty, -np.inf, np.where(asks, 0, buffers["threshold"][own])),
        mode=np.where(asks, _MEMBER, _AT_MOST),
        missing_true=np.where(sets >= 0, False, buffers["missing_left"][own]),
        true=np.where(leaf[first], place[first], node[first]),
        false=np.where(leaf[second], place[second], node[second]),
        true_leaf=leaf[first],
        false_leaf=leaf[second],
        sets=[ids[row] for row in sets[asks]],
        roots=node[buffers["starts"]],
        value=buffers["value"][leaf],
        column=trees.columns[_owners(buffers["starts"], left, right)[leaf]],
    )


def _owners(starts: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The tree of each node."""
    owner = np.zeros(len(left), np.int64)
    owner[starts] = np.arange(len(starts))
    here = starts
    while len(here):
        children = np.concatenate([left[here], right[here]])
        owner[children] = np.concatenate([owner[here]] * 2)
        here = children[left[children] != children]
    return owner


def _ids(bitsets: np.ndarray) -> list[np.ndarray]:
    """The ids in each set, of those that the encoder gives."""
    bits = np.unpackbits(bitsets.astype("<i4").view(np.uint8), axis=1, bitorder="little")
    return [np.flatnonzero(row[:OUTSIDE]) for row in bits]


def _joined(parts: Sequence[_Arrays]) -> _Arrays:
    """Ensembles one after another."""
    nodes = np.cumsum([0, *(len(each.feature) for each in parts)])
    leaves = np.cumsum([0, *(len(each.value) for each in parts)])

    def places(name: str) -> np.ndarray:
        moved = [
            getattr(each, name) + np.where(getattr(each, f"{name}_leaf"), leaf, node)
            for each, node, leaf in zip(parts, nodes, leaves, strict=False)
        ]
        return np.concatenate(moved)

    every = {
        name: np.concatenate([getattr(each, name) for each in parts])
        for name in _Arrays._fields
        if name not in ("true", "false", "roots", "sets")
    }
    return _Arrays(
        **every,
        true=places("true"),
        false=places("false"),
        roots=np.concatenate([p.roots + node for p, node in zip(parts, nodes, strict=False)]),
        sets=[ids for each in parts for ids in each.sets],
    )
