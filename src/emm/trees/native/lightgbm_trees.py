"""Trees of a LightGBM text model, `booster.save_model("m.txt")`, as a `TreeEnsemble`.

The format is undocumented; tests compare with LightGBM's own predictions. Ke et al.,
"LightGBM: A Highly Efficient Gradient Boosting Decision Tree", NeurIPS 2017.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from emm.nn.inputs import Inputs
from emm.trees.forest import TreeEnsemble
from emm.trees.native.files import Array, Kind, damaged, unsupported
from emm.trees.native.lightgbm_text import (
    check_kind,
    features_of,
    numbers,
    read_text,
    sigmoid,
    split_text,
)
from emm.trees.native.nodes import NativeTrees, Tree, reachable
from emm.trees.native.processed import on_processed_columns

CATEGORICAL, DEFAULT_LEFT, MISSING = 1, 2, 4  # decision_type: two flags, then the missing type
NONE_MISSING, ZERO_MISSING, NAN_MISSING = 0, 1, 2
ZERO = float(np.float32(1e-35))  # LightGBM reads values from -ZERO to ZERO as 0
BELOW_ZERO = float(np.nextafter(-ZERO, -1))


@dataclass(frozen=True)
class _Splits:
    """The splits of one tree in the file's order, arrays of [splits]."""

    feature: Array
    kind: Array
    threshold: Array  # float64; for a categorical split, the index of its set


def read_lightgbm(
    path: Path, inputs: Inputs, columns: Sequence[str], outputs: int = 1
) -> TreeEnsemble:
    """All trees of a LightGBM text model that was trained on the processed ``columns``.

    Features are matched by name, with underscores for blanks, as LightGBM writes them.
    Raises ModelFileError as `parse_lightgbm`, and for splits that these columns can't have.
    """
    native = parse_lightgbm(path, outputs)
    return on_processed_columns(native, inputs, columns, native.names_of(columns))


def parse_lightgbm(file: Path, outputs: int = 1, kind: Kind = "classifier") -> NativeTrees:
    """All trees of a LightGBM text model.

    Logits are LightGBM's raw scores times its parameter ``sigmoid``, so that their sigmoid is its
    probability, or the raw scores of ``outputs`` classes, whose softmax is; a regression has one
    value. Those of a random forest (boosting=rf) are the mean over the rounds.
    Raises ModelFileError for other objectives or numbers of classes, linear trees, and damaged
    files.
    """
    return parse_text(file, read_text(file), outputs, kind)


def parse_text(
    file: Path, written: str, outputs: int = 1, kind: Kind = "classifier"
) -> NativeTrees:
    """The same of the text that a file would have; ``file`` is named in errors."""
    text = split_text(file, written)
    check_kind(file, text.header, outputs, kind)
    rounds, rest = divmod(len(text.trees), outputs)
    if rest:
        raise damaged(file, f"its {len(text.trees)} trees aren't as many for each class")
    features = features_of(file, text)
    averaged = rounds if "average_output" in text.header else 1
    factor = sigmoid(file, text.header) / averaged
    return NativeTrees(
        file,
        features,
        [_tree(file, block, len(features), factor) for block in text.trees],
        np.zeros(outputs).squeeze(),
        outputs,
        others_left=False,
        single=False,
        underscores=True,
        zero=ZERO,
    )


def _tree(file: Path, block: Mapping[str, str], features: int, factor: float) -> Tree:
    """The nodes are the splits, then the leaves, both in the file's order."""
    (leaves,) = numbers(file, block, "num_leaves", 1, np.int64)
    with np.errstate(over="ignore"):
        values = numbers(file, block, "leaf_value", int(leaves), np.float64) * factor
    if leaves < 1 or not np.isfinite(values).all():
        raise damaged(file, "a tree has no leaves, or leaves without a finite value")
    _check_constant_leaves(file, block)
    splits = _splits(file, block, features, len(values) - 1)
    left, right = _children(file, block, len(values))
    padding = np.zeros(len(values))  # for the leaves
    kind = np.append(splits.kind, padding).astype(np.int64)
    threshold = np.append(splits.threshold, padding)
    missing, default_left = kind // MISSING, (kind & DEFAULT_LEFT) > 0
    by_set = (kind & CATEGORICAL) > 0
    sets, position = _sets(file, block, splits)
    tree = Tree(
        feature=np.append(splits.feature, padding).astype(np.int64),
        threshold=threshold,
        left=left,
        right=right,
        # If no value was missing in training, NaN is read as 0. Categories never default left.
        missing_left=np.where(missing == NONE_MISSING, threshold >= 0, default_left) & ~by_set,
        set=np.append(position, padding - 1).astype(np.int64),
        sets=sets,
        value=np.append(np.zeros(len(values) - 1), values),
    )
    # If zeros count as missing, the threshold may send them to the wrong child.
    astray = default_left != (threshold >= 0)
    zeros = np.flatnonzero(~tree.leaf & ~by_set & (missing == ZERO_MISSING) & astray)
    return _with_zeros_missing(tree, zeros) if len(zeros) else tree


def _check_constant_leaves(file: Path, block: Mapping[str, str]) -> None:
    if block.get("is_linear", "0") != "0":
        raise unsupported(
            file,
            "has linear models in its leaves",
            got="linear_tree=true",
            expected="constant leaves",
            next_step="train with linear_tree=false",
        )


def _splits(file: Path, block: Mapping[str, str], features: int, count: int) -> _Splits:
    feature = numbers(file, block, "split_feature", count, np.int64)
    kind = numbers(file, block, "decision_type", count, np.int64)
    threshold = numbers(file, block, "threshold", count, np.float64)
    if not ((feature >= 0) & (feature < features)).all():
        raise damaged(file, "a split has no feature")
    if not ((kind >= 0) & (kind < MISSING * (NAN_MISSING + 1))).all():
        raise damaged(file, "a split is of an unknown type")
    if np.isnan(threshold).any():
        raise damaged(file, "a split has no threshold")
    return _Splits(feature, kind, threshold)


def _children(file: Path, block: Mapping[str, str], leaves: int) -> tuple[Array, Array]:
    """Left and right child of each node. Leaf k is stored as -k - 1."""
    splits, nodes = leaves - 1, np.arange(2 * leaves - 1)
    both = []
    for key in ("left_child", "right_child"):
        child = numbers(file, block, key, splits, np.int64)
        if (child >= splits).any():
            raise damaged(file, "a child is not a node of its tree")
        both.append(np.append(np.where(child < 0, splits + ~child, child), nodes[splits:]))
    reachable(file, both[0], both[1], nodes >= splits)  # checks the structure
    return both[0], both[1]


def _sets(file: Path, block: Mapping[str, str], splits: _Splits) -> tuple[list[Array], Array]:
    """The sets of codes that go left, and the position of each split's set or -1."""
    position = np.full(len(splits.kind), -1)
    categorical = np.flatnonzero(splits.kind & CATEGORICAL)
    if not len(categorical):
        return [], position
    (sets,) = numbers(file, block, "num_cat", 1, np.int64)
    ends = numbers(file, block, "cat_boundaries", int(sets) + 1, np.int64)
    words = numbers(file, block, "cat_threshold", int(ends[-1]) if len(ends) else 0, np.int64)
    number = splits.threshold[categorical]
    if (
        not ((number >= 0) & (number < sets)).all()
        or (np.diff(ends, prepend=0) < 0).any()
        or ((words < 0) | (words >= 2**32)).any()
    ):
        raise damaged(file, "a set of categories is out of place")
    found = []
    for place in number.astype(np.int64):
        members = words[ends[place] : ends[place + 1]].astype("<u4")
        found.append(np.flatnonzero(np.unpackbits(members.view(np.uint8), bitorder="little")))
    position[categorical] = np.arange(len(categorical))
    return found, position


def _with_zeros_missing(tree: Tree, splits: Array) -> Tree:
    """Insert two nodes below each of ``splits``, so that values about 0 go to the default child.

    A value that the threshold sends away from the default child reaches node B. If it is below
    -ZERO, B sends it on to the other child, else to node C, which sends it to the default child if
    it is at most ZERO, and to the other child if not.
    """
    default_left = tree.missing_left[splits]
    default = np.where(default_left, tree.left[splits], tree.right[splits])
    other = np.where(default_left, tree.right[splits], tree.left[splits])
    b = len(tree.left) + np.arange(len(splits))
    c = b + len(splits)
    left, right = (
        np.concatenate([part, *new])
        for part, *new in ((tree.left, other, default), (tree.right, c, other))
    )
    np.put(right, splits[default_left], b[default_left])
    np.put(left, splits[~default_left], b[~default_left])
    new = np.zeros(2 * len(splits))
    bounds = np.repeat([BELOW_ZERO, ZERO], len(splits))
    return replace(
        tree,
        feature=np.concatenate([tree.feature, tree.feature[splits], tree.feature[splits]]),
        threshold=np.concatenate([tree.threshold, bounds]),
        left=left,
        right=right,
        missing_left=np.append(tree.missing_left, new > 0),
        set=np.append(tree.set, (new - 1).astype(np.int64)),
        value=np.append(tree.value, new),
    )
