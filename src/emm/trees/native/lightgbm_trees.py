"""Trees of a LightGBM text model, `booster.save_model("m.txt")`, as a `TreeEnsemble`.

The format has no written definition; tests compare with LightGBM's own predictions. Ke et al.,
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
from emm.trees.native.nodes import Tree, assemble, bits, depth, reached, rows

CATEGORICAL, DEFAULT_LEFT, MISSING = 1, 2, 4  # decision_type: two flags, then the missing type
NONE_MISSING, ZERO_MISSING, NAN_MISSING = 0, 1, 2
ZERO = np.float32(1e-35)  # LightGBM reads values from -ZERO to ZERO as 0
BELOW_ZERO = np.nextafter(-ZERO, np.float32(-1))


@dataclass(frozen=True)
class _Model:
    """What all trees share: the column of each feature, the factor of all leaf values, and for
    features that a data frame numbered anew, the id of each code."""

    file: TreeFile
    columns: Array
    factor: float
    ids: Mapping[int, Array]


@dataclass(frozen=True)
class _Splits:
    """The splits of one tree in the file's order, arrays of [splits]."""

    feature: Array
    kind: Array
    threshold: Array  # float64; of a categorical split, the number of its set


def read_lightgbm(path: Path, inputs: Inputs, columns: Sequence[str]) -> TreeEnsemble:
    """All trees of a binary LightGBM text model that was trained on ``columns``.

    Logits are LightGBM's raw scores times its ``sigmoid`` parameter, so that their sigmoid is
    its probability; those of a random forest (boosting=rf) are the trees' mean. Features are
    matched by name, blanks being the underscores that LightGBM writes for them. ModelFileError
    for other objectives, linear trees, sets of ids of columns that can't have them, and files
    that are damaged.
    """
    file = TreeFile(path, inputs, tuple(name.replace(" ", "_") for name in columns))
    text = split_text(file)
    check_kind(file, text.header)
    names = text.header.get("feature_names", "").split()
    averaged = len(text.trees) if "average_output" in text.header else 1
    model = _Model(
        file,
        feature_columns(file, names, "Column_"),
        sigmoid(file, text.header) / averaged,
        ids_of_codes(file, names, text.footer),
    )
    return assemble(inputs, [_tree(model, block) for block in text.trees], 0.0)


def _tree(model: _Model, block: Mapping[str, str]) -> Tree:
    """Nodes: the splits, then the leaves, each in the file's order."""
    file = model.file
    (leaves,) = numbers(file, block, "num_leaves", 1, np.int64)
    with np.errstate(over="ignore"):
        values = numbers(file, block, "leaf_value", int(leaves), np.float64) * model.factor
    if leaves < 1 or not np.isfinite(values).all():
        raise damaged(file, "a tree has no leaves, or leaves without a finite value")
    _check_constant_leaves(file, block)
    splits = _splits(model, block, len(values) - 1)
    left, right, leaf = _children(file, block, len(values))
    rest = np.zeros(len(values))
    kind, threshold = (np.append(part, rest) for part in (splits.kind, splits.threshold))
    bitset, bitsets = _bitsets(model, block, splits)
    missing, default_left = kind.astype(np.int64) // MISSING, kind.astype(np.int64) & DEFAULT_LEFT
    tree = Tree(
        column=np.append(model.columns[splits.feature], rest).astype(np.int64),
        threshold=_float32(threshold),
        left=left,
        right=right,
        # Where no value was missing in training, NaN is read as 0.
        missing_left=np.where(missing == NONE_MISSING, threshold >= 0, default_left > 0),
        bitset=np.append(bitset, rest - 1).astype(np.int64),
        bitsets=bitsets,
        value=np.append(np.zeros(len(values) - 1), values),
        depth=depth(left, right, leaf),
    )
    # Where zeros count as missing, the threshold alone may send them to the other child.
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
    """Left and right child and whether it is a leaf, per node. In the file, leaf k is -k - 1."""
    splits, nodes = leaves - 1, np.arange(2 * leaves - 1)
    leaf = nodes >= splits
    both = []
    for key in ("left_child", "right_child"):
        child = numbers(file, block, key, splits, np.int64)
        if (child >= splits).any():
            raise damaged(file, "a child is none of its tree's nodes")
        both.append(np.append(np.where(child < 0, splits + ~child, child), nodes[splits:]))
    reached(file, both[0], both[1], leaf)
    return both[0], both[1], leaf


def _bitsets(model: _Model, block: Mapping[str, str], splits: _Splits) -> tuple[Array, Array]:
    """Row or -1 per split, and the rows: the ids of a split's set go left, all others right."""
    file, bitset = model.file, np.full(len(splits.kind), -1)
    categorical = np.flatnonzero(splits.kind & CATEGORICAL)
    if not len(categorical):
        return bitset, rows([])
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
        own = words[ends[position] : ends[position + 1]].astype("<u4")
        codes = np.flatnonzero(np.unpackbits(own.view(np.uint8), bitorder="little"))
        feature = int(splits.feature[split])
        ids = _ids(model, feature, codes)
        found.append(bits(file, int(model.columns[feature]), ids, listed=True, others=False))
    bitset[categorical] = np.arange(len(categorical))
    return bitset, rows(found)


def _ids(model: _Model, feature: int, codes: Array) -> Array:
    known = model.ids.get(feature)
    if known is None:
        return codes
    if len(codes) and codes[-1] >= len(known):
        raise damaged(model.file, "a set holds a category that its list of categories doesn't")
    return known[codes]


def _with_zeros_missing(tree: Tree, splits: Array, leaf: Array) -> Tree:
    """``tree`` with two more nodes behind each of ``splits``, for values about 0.

    A value that the threshold sends away from the default child goes on to node B: below -ZERO
    it stays with the other child, else node C sends it to the default child up to ZERO.
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
    """Thresholds that divide float32 values as the float64 ones do."""
    with np.errstate(over="ignore"):
        nearest = threshold.astype(np.float32)
    # x <= threshold is the same as x <= the next float32 below it.
    down = np.where(nearest > threshold, np.nextafter(nearest, np.float32(-np.inf)), nearest)
    about_zero = np.where(threshold >= 0, ZERO, BELOW_ZERO)
    return np.where((down >= -ZERO) & (down <= ZERO), about_zero, down)
