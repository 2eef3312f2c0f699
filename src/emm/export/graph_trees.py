"""Ensembles of boosted trees as operators of ONNX."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from emm.export.graph_forest import Forest, add_forest, joined
from emm.export.nodes import Nodes
from emm.trees.forest import OUTSIDE, TreeEnsemble


class Trees(NamedTuple):
    """An ensemble, the column of the result to which each of its trees adds, [trees], and the
    columns to which its baseline is added, one for each of its outputs."""

    ensemble: TreeEnsemble
    columns: np.ndarray
    baselines: np.ndarray


def add_trees(nodes: Nodes, features: str, trees: Sequence[Trees], width: int) -> str:
    """Add the sums of trees by column, with baselines: features [B, D + F] double -> [B, width]
    double.

    The order of the sums is that of the trees, and numbers are compared and added as doubles: with
    one thread they are equal to `TreeEnsemble.shares` bit by bit.
    """
    baseline = np.zeros(width)
    for each in trees:
        baseline[each.baselines] = each.ensemble.baseline.reshape(-1).cpu().numpy()
    return add_forest(nodes, features, joined([_forest(each) for each in trees]), baseline)


def shares_of(ensemble: TreeEnsemble, levels: int, start: int) -> Trees:
    """The trees of an ensemble that add to the shares of the levels in its logits: to the columns
    from ``start`` on, output by output (`TreeEnsemble.shares`)."""
    trees, outputs = np.arange(ensemble.starts.shape[0]), ensemble.outputs
    level = trees // outputs * levels // max(1, len(trees) // outputs)
    columns = start + trees % outputs * levels + level
    return Trees(ensemble, columns, start + np.arange(outputs) * levels)


def logits_of(ensemble: TreeEnsemble, start: int) -> Trees:
    """The trees of an ensemble that add to its logits, the columns from ``start`` on."""
    return shares_of(ensemble, 1, start)


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
