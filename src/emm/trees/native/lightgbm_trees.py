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
from emm.trees.native.files import Array, TreeFile, damaged, feature_columns, unsupported
from emm.trees.native.lightgbm_text import check_kind, ids_of_codes, numbers, sigmoid, split_text
from emm.trees.native.nodes import Tree, assemble, bitset_of, depth, reachable, stack_bitsets

CATEGORICAL, DEFAULT_LEFT, MISSING = 1, 2, 4  # decision_type: two flags, then the missing type
NONE_MISSING, ZERO_MISSING, NAN_MISSING = 0, 1, 2
ZERO = np.float32(1e-35)  # LightGBM reads values from -ZERO to ZERO as 0
BELOW_ZERO = np.nextafter(-ZERO, np.float32(-1))


@dataclass(frozen=True)
class _Model:
    """What all trees of a file share.

    Attributes:
        columns: column of each feature.
        factor: of all leaf values.
        ids: id of each category code, for features encoded by a data frame.
    """

    file: TreeFile
    columns: Array
    factor: float
    ids: Mapping[int, Array]


@dataclass(frozen=True)
class _Splits:
    """The splits of one tree in the file's order, arrays of [splits]."""

    feature: Array
    kind: Array
    threshold: Array  # float64; for a categorical split, the index of its set


def read_lightgbm(
    path: Path, inputs: Inputs, columns: Sequence[str], outputs: int = 1
) -> TreeEnsemble:
    """All trees of a LightGBM text model that was trained on ``columns``.

    Logits are LightGBM's raw scores times its parameter ``sigmoid``, so that their sigmoid is its
    probability, or the raw scores of ``outputs`` classes, whose softmax is; those of a random
    forest (boosting=rf) are the mean over the rounds. Features are matched by name, with
    underscores for blanks, as LightGBM writes them.
    Raises ModelFileError for other objectives or numbers of classes, linear trees, splits by sets
    of ids in columns that can't have them, and damaged files.
    """
    file = TreeFile(path, inputs, tuple(name.replace(" ", "_") for name in columns))
    text = split_text(file)
    check_kind(file, text.header, outputs)
    rounds, rest = divmod(len(text.trees), outputs)
    if rest:
        raise damaged(file, f"its {len(text.trees)} trees aren't as many for each class")
    names = text.header.get("feature_names", "").split()
    averaged = rounds if "average_output" in text.header else 1
    model = _Model(
        file,
        feature_columns(file, names, "Column_"),
        sigmoid(file, text.header) / averaged,
        ids_of_codes(file, names, text.footer),
    )
    trees = [_tree(model, block) for block in text.trees]
    return assemble(inputs, trees, np.zeros(outputs).squeeze(), outputs)


def _tree(model: _Model, block: Mapping[str, str]) -> Tree:
    """The nodes are the splits, then the leaves, both in the file's order."""
    file = model.file
    (leaves,) = numbers(file, block, "num_leaves", 1, np.int64)
    with np.errstate(over="ignore"):
        values = numbers(file, block, "leaf_value", int(leaves), np.float64) * model.factor
    if leaves < 1 or not np.isfinite(values).all():
        raise damaged(file, "a tree has no leaves, or leaves without a finite value")
    _check_constant_leaves(file, block)
    splits = _splits(model, block, len(values) - 1)
    left, right, leaf = _children(file, block, len(values))
    padding = np.zeros(len(values))  # for the leaves
    kind, threshold = (np.append(part, padding) for part in (splits.kind, splits.threshold))
    bitset, bitsets = _bitsets(model, block, splits)
    missing, default_left = kind.astype(np.int64) // MISSING, kind.astype(np.int64) & DEFAULT_LEFT
    tree = Tree(
        column=np.append(model.columns[splits.feature], padding).astype(np.int64),
        threshold=_float32(threshold),
        left=left,
        right=right,
        # If no value was missing in training, NaN is read as 0.
        missing_left=np.where(missing == NONE_MISSING, threshold >= 0, default_left > 0),
        bitset=np.append(bitset, padding - 1).astype(np.int64),
        bitsets=bitsets,
        value=np.append(np.zeros(len(values) - 1), values),
        depth=depth(left, right, leaf),
    )
    # If zeros count as missing, the threshold may send them to the wrong child.
    astray = (default_left > 0) != (threshold >= 0)
    zeros = np.flatnonzero(~leaf & (tree.bitset < 0) & (missing == ZERO_MISSING) & astray)
    return _with_zeros_missing(tree, zeros, leaf) if len(zeros) else tree


def _check_constant_leaves(file: TreeFile, block: Mapping[str, str]) -> None:
    if block.get("is_linear", "0") != "0":
        raise unsupported(
            file,
            "has linear models in its leaves",
            got="linear_tree=true",
            expected="constant leaves",
            next_step="train with linear_tree=false",
        )


def _splits(model: _Model, block: Mapping[str, str], count: int) -> _Splits:
    file = model.file
    feature = numbers(file, block, "split_feature", count, np.int64)
    kind = numbers(file, block, "decision_type", count, np.int64)
    threshold = numbers(file, block, "threshold", count, np.float64)
    if not ((feature >= 0) & (feature < len(model.columns))).all():
        raise damaged(file, "a split has no feature")
    if not ((kind >= 0) & (kind < MISSING * (NAN_MISSING + 1))).all():
        raise damaged(file, "a split is of an unknown type")
    if np.isnan(threshold).any():
        raise damaged(file, "a split has no threshold")
    return _Splits(feature, kind, threshold)


def _children(file: TreeFile, block: Mapping[str, str], leaves: int) -> tuple[Array, Array, Array]:
    """Left child, right child, whether it is a leaf, for each node. Leaf k is stored as -k - 1."""
    splits, nodes = leaves - 1, np.arange(2 * leaves - 1)
    leaf = nodes >= splits
    both = []
    for key in ("left_child", "right_child"):
        child = numbers(file, block, key, splits, np.int64)
        if (child >= splits).any():
            raise damaged(file, "a child is not a node of its tree")
        both.append(np.append(np.where(child < 0, splits + ~child, child), nodes[splits:]))
    reachable(file, both[0], both[1], leaf)  # checks the structure
    return both[0], both[1], leaf


def _bitsets(model: _Model, block: Mapping[str, str], splits: _Splits) -> tuple[Array, Array]:
    """The row of each split or -1, and the bitsets: ids in a split's set go left, others right."""
    file, bitset = model.file, np.full(len(splits.kind), -1)
    categorical = np.flatnonzero(splits.kind & CATEGORICAL)
    if not len(categorical):
        return bitset, stack_bitsets([])
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
    for split, position in zip(categorical, number.astype(np.int64), strict=True):
        members = words[ends[position] : ends[position + 1]].astype("<u4")
        codes = np.flatnonzero(np.unpackbits(members.view(np.uint8), bitorder="little"))
        feature = int(splits.feature[split])
        ids = _ids(model, feature, codes)
        column = int(model.columns[feature])
        found.append(bitset_of(file, column, ids, listed=True, others=False))
    bitset[categorical] = np.arange(len(categorical))
    return bitset, stack_bitsets(found)


def _ids(model: _Model, feature: int, codes: Array) -> Array:
    known = model.ids.get(feature)
    if known is None:
        return codes
    if len(codes) and codes[-1] >= len(known):
        raise damaged(
            model.file, "a set contains a category that is missing in the list of categories"
        )
    return known[codes]


def _with_zeros_missing(tree: Tree, splits: Array, leaf: Array) -> Tree:
    """Insert two nodes below each of ``splits``, so that values about 0 go to the default child.

    A value that the threshold sends away from the default child reaches node B. If it is below
    -ZERO, B sends it on to the other child, else to node C, which sends it to the default child if
    it is at most ZERO, and to the other child if not.
    """
    default_left = tree.missing_left[splits]
    default = np.where(default_left, tree.left[splits], tree.right[splits])
    other = np.where(default_left, tree.right[splits], tree.left[splits])
    b = len(leaf) + np.arange(len(splits))
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
        column=np.concatenate([tree.column, tree.column[splits], tree.column[splits]]),
        threshold=np.concatenate([tree.threshold, bounds]),
        left=left,
        right=right,
        missing_left=np.append(tree.missing_left, new > 0),
        bitset=np.append(tree.bitset, (new - 1).astype(np.int64)),
        value=np.append(tree.value, new),
        depth=depth(left, right, np.append(leaf, new > 0)),
    )


def _float32(threshold: Array) -> Array:
    """Float32 thresholds that split float32 values like the float64 ones."""
    with np.errstate(over="ignore"):
        nearest = threshold.astype(np.float32)
    # x <= threshold is equivalent to x <= the next float32 below it.
    down = np.where(nearest > threshold, np.nextafter(nearest, np.float32(-np.inf)), nearest)
    about_zero = np.where(threshold >= 0, ZERO, BELOW_ZERO)
    return np.where((down >= -ZERO) & (down <= ZERO), about_zero, down)
