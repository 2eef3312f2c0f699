"""Trees of an XGBoost JSON model, `save_model("m.json")`, as a `TreeEnsemble`.

Chen and Guestrin, "XGBoost: A Scalable Tree Boosting System", KDD 2016; the weights of its DART
booster as in Rashmi and Gilad-Bachrach, "DART: Dropouts meet Multiple Additive Regression Trees",
AISTATS 2015. The format is XGBoost's doc/model.schema.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emm.nn.inputs import Inputs
from emm.trees.forest import TreeEnsemble
from emm.trees.native.files import (
    Array,
    TreeFile,
    columns_in_order,
    damaged,
    feature_columns,
    unsupported,
)
from emm.trees.native.nodes import Tree, assemble, bits, depth, ids_of_categories, reached, rows
from emm.trees.native.xgboost_json import Part, integers, margin, part, read_learner, reals, size


@dataclass(frozen=True)
class _Model:
    """What all trees share: the column of each feature, and for features that a data frame
    numbered anew, the id of each code."""

    file: TreeFile
    columns: Array
    ids: Mapping[int, Array]


def read_xgboost(path: Path, inputs: Inputs, columns: Sequence[str]) -> TreeEnsemble:
    """The trees of a binary XGBoost JSON model that was trained on ``columns``.

    Logits are XGBoost's margins. As XGBoost itself reads it, a file saved by the scikit-learn
    classifier ends at the best iteration if it stopped early, and one saved by a Booster holds
    what its Booster predicts with: all trees. ModelFileError for other objectives and boosters,
    sets of ids of columns that can't have them, and files that are damaged.
    """
    file = TreeFile(path, inputs, tuple(columns))
    learner = read_learner(file)
    stored, trees, weights = _trees(file, learner)
    features = _features(file, learner)
    model = _Model(file, features, _ids_of_codes(file, stored, features))
    kept = slice(_kept(file, learner, stored))
    pairs = zip(trees[kept], weights[kept], strict=True)
    built = [_tree(model, tree, weight) for tree, weight in pairs]
    return assemble(inputs, built, margin(file, learner))


def _trees(file: TreeFile, learner: Part) -> tuple[Part, list[Part], Array]:
    """The booster's model, its trees, and the factor of each tree's leaves."""
    booster = part(file, learner, "gradient_booster", dict)
    dart = booster["name"] == "dart"
    stored = part(file, part(file, booster, "gbtree", dict) if dart else booster, "model", dict)
    trees = part(file, stored, "trees", list)
    claimed = size(file, part(file, stored, "gbtree_model_param", dict), "num_trees")
    if not trees or claimed != len(trees) or not all(isinstance(tree, dict) for tree in trees):
        raise damaged(file, f"it holds {len(trees)} trees, not at least one and {claimed}")
    weights = reals(file, booster, "weight_drop", len(trees)) if dart else np.ones(len(trees))
    if not np.isfinite(weights).all():
        raise damaged(file, "a tree has no weight")
    return stored, trees, weights


def _features(file: TreeFile, learner: Part) -> Array:
    count = size(file, part(file, learner, "learner_model_param", dict), "num_feature")
    names = learner.get("feature_names")
    if not names:
        return columns_in_order(file, count)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise damaged(file, "its features' names aren't text")
    if len(names) != count:
        raise damaged(file, f"it names {len(names)} features, not {count}")
    return feature_columns(file, names, "f")


def _ids_of_codes(file: TreeFile, stored: Part, columns: Array) -> dict[int, Array]:
    """Ids by code for the features that were a data frame's categorical columns; files of
    versions before 3.1 don't hold them."""
    categories = part(file, stored, "cats", dict).get("enc") if "cats" in stored else None
    if not categories:
        return {}
    lists = isinstance(categories, list) and all(isinstance(each, dict) for each in categories)
    if not lists or len(categories) != len(columns):
        raise damaged(file, "its categories aren't one list per feature")
    # Text is stored as its letters, with the offset of each category.
    values = [None if each.get("offsets") else each.get("values") for each in categories]
    return {
        feature: ids_of_categories(file, file.columns[columns[feature]], values[feature])
        for feature, each in enumerate(categories)
        if each.get("values")
    }


def _kept(file: TreeFile, learner: Part, stored: Part) -> int | None:
    """The number of trees that the model predicts with; None: all."""
    attributes = part(file, {"attributes": {}, **learner}, "attributes", dict)
    if "scikit_learn" not in attributes or "best_iteration" not in attributes:
        return None
    sizes = part(file, stored, "gbtree_model_param", dict)
    parallel = size(file, {"num_parallel_tree": "1", **sizes}, "num_parallel_tree")
    return (size(file, attributes, "best_iteration") + 1) * max(1, parallel)


def _tree(model: _Model, tree: Part, weight: float) -> Tree:
    file = model.file
    left, right, leaf = _children(file, tree)
    nodes = len(leaf)
    feature = np.where(leaf, 0, integers(file, tree, "split_indices", nodes))
    if not ((feature >= 0) & (feature < len(model.columns))).all():
        raise damaged(file, "a split has no feature")
    with np.errstate(over="ignore"):
        value = reals(file, tree, "split_conditions", nodes).astype(np.float32)
    if np.isnan(value).any() or not np.isfinite(value[leaf]).all():
        raise damaged(file, "a split has no threshold, or a leaf no finite value")
    default_left = integers(file, tree, "default_left", nodes) != 0
    bitset, bitsets = _bitsets(model, tree, leaf, feature, default_left)
    return Tree(
        column=model.columns[feature],
        # Their x < threshold is our x <= the float32 before it.
        threshold=np.nextafter(value, np.float32(-np.inf)),
        left=left,
        right=right,
        missing_left=default_left,
        bitset=bitset,
        bitsets=bitsets,
        value=np.where(leaf, value.astype(np.float64) * weight, 0.0),
        depth=depth(left, right, leaf),
    )


def _children(file: TreeFile, tree: Part) -> tuple[Array, Array, Array]:
    """Left and right child and whether it is a leaf, per node; one at least."""
    sizes = part(file, tree, "tree_param", dict)
    left = integers(file, tree, "left_children")
    nodes, itself = len(left), np.arange(len(left))
    right = integers(file, tree, "right_children", nodes)
    if not nodes or size(file, sizes, "num_nodes") != nodes:
        raise damaged(file, f"a tree holds {nodes} nodes, not as many as it says")
    if size(file, {"size_leaf_vector": "0", **sizes}, "size_leaf_vector") > 1:
        raise unsupported(
            file,
            "has several outputs in a leaf",
            got=f"size_leaf_vector={sizes['size_leaf_vector']}",
            expected="one output",
            next_step="train one model per task, or with multi_strategy=one_output_per_tree",
        )
    leaf = left == -1
    # Nodes that were pruned away stay in the file, out of reach.
    leaf |= ~reached(file, left, right, leaf)
    return np.where(leaf, itself, left), np.where(leaf, itself, right), leaf


def _bitsets(
    model: _Model, tree: Part, leaf: Array, feature: Array, default_left: Array
) -> tuple[Array, Array]:
    """Row or -1 per node, and the rows: the ids of a split's set go right, all others left."""
    bitset = np.full(len(leaf), -1)
    if "split_type" not in tree:  # before version 1.3
        return bitset, rows([])
    kind = integers(model.file, tree, "split_type", len(leaf))
    categorical = np.flatnonzero((kind == 1) & ~leaf)
    sets = _sets(model.file, tree, len(leaf)) if len(categorical) else {}
    found = []
    for node in categorical:
        codes = sets.get(int(node), np.zeros(0, dtype=np.int64))
        found.append(_row(model, int(feature[node]), codes, bool(default_left[node])))
    bitset[categorical] = np.arange(len(categorical))
    return bitset, rows(found)


def _row(model: _Model, feature: int, codes: Array, default_left: bool) -> Array:
    file, column, known = model.file, int(model.columns[feature]), model.ids.get(feature)
    if known is None:
        return bits(file, column, codes, listed=False, others=True)
    if len(codes) and not (codes.min() >= 0 and codes.max() < len(known)):
        raise damaged(file, "a set holds a category that its list of categories doesn't")
    left = np.ones(len(known), dtype=np.bool_)
    left[codes] = False
    # An id without a code is missing.
    return bits(file, column, known, listed=left, others=default_left)


def _sets(file: TreeFile, tree: Part, nodes: int) -> dict[int, Array]:
    """Category codes of each categorical split."""
    codes = integers(file, tree, "categories")
    splits = integers(file, tree, "categories_nodes")
    begins = integers(file, tree, "categories_segments", len(splits))
    lengths = integers(file, tree, "categories_sizes", len(splits))
    whole = (begins >= 0) & (lengths >= 0) & (begins <= len(codes) - lengths)
    if not (whole & (splits >= 0) & (splits < nodes)).all():
        raise damaged(file, "a set of categories is out of place")
    found = zip(splits.tolist(), begins.tolist(), lengths.tolist(), strict=True)
    return {split: codes[begin : begin + length] for split, begin, length in found}
