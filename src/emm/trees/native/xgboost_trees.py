"""Trees of an XGBoost JSON model, `save_model("m.json")`, as a `TreeEnsemble`.

Chen and Guestrin, "XGBoost: A Scalable Tree Boosting System", KDD 2016. The weights of the DART
booster are those of Rashmi and Gilad-Bachrach, "DART: Dropouts meet Multiple Additive Regression
Trees", AISTATS 2015. The format is XGBoost's doc/model.schema.
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
from emm.trees.native.nodes import (
    Tree,
    assemble,
    bitset_of,
    depth,
    ids_of_categories,
    reachable,
    stack_bitsets,
)
from emm.trees.native.xgboost_json import Part, integers, margin, part, read_learner, reals, size


@dataclass(frozen=True)
class _Model:
    """What all trees of a file share.

    Attributes:
        columns: column of each feature.
        ids: id of each category code, for features encoded by a data frame.
    """

    file: TreeFile
    columns: Array
    ids: Mapping[int, Array]


def read_xgboost(
    path: Path, inputs: Inputs, columns: Sequence[str], outputs: int = 1
) -> TreeEnsemble:
    """The trees of an XGBoost JSON model that was trained on ``columns``.

    Logits are XGBoost's margins, one for a binary model and one for each of several ``outputs``,
    which are classes. The trees are those that XGBoost itself predicts with: from a file of the
    scikit-learn classifier, those up to the best iteration if training stopped early; from a file
    of a Booster, all.
    Raises ModelFileError for other objectives, numbers of classes and boosters, splits by sets of
    ids in columns that can't have them, and damaged files.
    """
    file = TreeFile(path, inputs, tuple(columns))
    learner = read_learner(file, outputs)
    stored, trees, weights = _stored_trees(file, learner)
    features = _features(file, learner)
    model = _Model(file, features, _ids_of_codes(file, stored, features))
    order = _order(file, stored, outputs)[: _kept(file, learner, stored, outputs)]
    built = [_tree(model, trees[number], weights[number]) for number in order]
    return assemble(inputs, built, margin(file, learner, outputs), outputs)


def _stored_trees(file: TreeFile, learner: Part) -> tuple[Part, list[Part], Array]:
    """The booster's model, its trees, and the factor of the leaf values of each tree."""
    booster = part(file, learner, "gradient_booster", dict)
    dart = booster["name"] == "dart"
    stored = part(file, part(file, booster, "gbtree", dict) if dart else booster, "model", dict)
    trees = part(file, stored, "trees", list)
    claimed = size(file, part(file, stored, "gbtree_model_param", dict), "num_trees")
    if not trees or claimed != len(trees) or not all(isinstance(tree, dict) for tree in trees):
        raise damaged(file, f"it has {len(trees)} trees and declares {claimed}")
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
        raise damaged(file, "its feature names aren't text")
    if len(names) != count:
        raise damaged(file, f"it names {len(names)} features, not {count}")
    return feature_columns(file, names, "f")


def _ids_of_codes(file: TreeFile, stored: Part, columns: Array) -> dict[int, Array]:
    """For each feature that was a categorical column of a data frame, the id of each code.

    Files of versions before 3.1 don't contain them.
    """
    categories = part(file, stored, "cats", dict).get("enc") if "cats" in stored else None
    if not categories:
        return {}
    lists = isinstance(categories, list) and all(isinstance(entry, dict) for entry in categories)
    if not lists or len(categories) != len(columns):
        raise damaged(file, "its categories aren't one list per feature")
    # Categories that are text are stored as their letters, with the offset of each category.
    values = [None if entry.get("offsets") else entry.get("values") for entry in categories]
    return {
        feature: ids_of_categories(file, file.columns[columns[feature]], values[feature])
        for feature, entry in enumerate(categories)
        if entry.get("values")
    }


def _order(file: TreeFile, stored: Part, outputs: int) -> Array:
    """The numbers of the trees, so that trees of all classes take turns.

    XGBoost stores several parallel trees of a round class by class.
    """
    trees = len(stored["trees"])
    if outputs == 1:
        return np.arange(trees)
    of_class = integers(file, stored, "tree_info", trees)
    rounds, rest = divmod(trees, outputs)
    if rest or (np.sort(of_class) != np.repeat(np.arange(outputs), rounds)).any():
        raise damaged(file, f"its {trees} trees aren't as many for each of {outputs} classes")
    return np.argsort(of_class, kind="stable").reshape(outputs, -1).T.flatten()


def _kept(file: TreeFile, learner: Part, stored: Part, outputs: int) -> int | None:
    """Number of trees that the model predicts with; None: all."""
    attributes = part(file, {"attributes": {}, **learner}, "attributes", dict)
    if "scikit_learn" not in attributes or "best_iteration" not in attributes:
        return None
    sizes = part(file, stored, "gbtree_model_param", dict)
    parallel = size(file, {"num_parallel_tree": "1", **sizes}, "num_parallel_tree")
    return (size(file, attributes, "best_iteration") + 1) * max(1, parallel) * outputs


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
        # XGBoost tests x < threshold, which is x <= the next float32 below it.
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
    """Left child, right child and whether it is a leaf, for each node."""
    sizes = part(file, tree, "tree_param", dict)
    left = integers(file, tree, "left_children")
    nodes, itself = len(left), np.arange(len(left))
    right = integers(file, tree, "right_children", nodes)
    if not nodes or size(file, sizes, "num_nodes") != nodes:
        raise damaged(file, f"a tree has {nodes} nodes, not as many as it declares")
    if size(file, {"size_leaf_vector": "0", **sizes}, "size_leaf_vector") > 1:
        raise unsupported(
            file,
            "has several outputs in a leaf",
            got=f"size_leaf_vector={sizes['size_leaf_vector']}",
            expected="one output",
            next_step="train one model per task, or with multi_strategy=one_output_per_tree",
        )
    leaf = left == -1
    # Pruned nodes stay in the file, but can't be reached.
    leaf |= ~reachable(file, left, right, leaf)
    return np.where(leaf, itself, left), np.where(leaf, itself, right), leaf


def _bitsets(
    model: _Model, tree: Part, leaf: Array, feature: Array, default_left: Array
) -> tuple[Array, Array]:
    """The row of each node or -1, and the bitsets: ids in a split's set go right, others left."""
    bitset = np.full(len(leaf), -1)
    if "split_type" not in tree:  # before version 1.3
        return bitset, stack_bitsets([])
    kind = integers(model.file, tree, "split_type", len(leaf))
    categorical = np.flatnonzero((kind == 1) & ~leaf)
    sets = _sets(model.file, tree, len(leaf)) if len(categorical) else {}
    found = []
    for node in categorical:
        codes = sets.get(int(node), np.zeros(0, dtype=np.int64))
        found.append(_bitset(model, int(feature[node]), codes, bool(default_left[node])))
    bitset[categorical] = np.arange(len(categorical))
    return bitset, stack_bitsets(found)


def _bitset(model: _Model, feature: int, codes: Array, default_left: bool) -> Array:
    file, column, known = model.file, int(model.columns[feature]), model.ids.get(feature)
    if known is None:
        return bitset_of(file, column, codes, listed=False, others=True)
    if len(codes) and not (codes.min() >= 0 and codes.max() < len(known)):
        raise damaged(file, "a set contains a category that is missing in the list of categories")
    left = np.ones(len(known), dtype=np.bool_)
    left[codes] = False
    # An id without a code counts as missing.
    return bitset_of(file, column, known, listed=left, others=default_left)


def _sets(file: TreeFile, tree: Part, nodes: int) -> dict[int, Array]:
    """Category codes in the set of each categorical split, by node."""
    codes = integers(file, tree, "categories")
    splits = integers(file, tree, "categories_nodes")
    begins = integers(file, tree, "categories_segments", len(splits))
    lengths = integers(file, tree, "categories_sizes", len(splits))
    inside = (begins >= 0) & (lengths >= 0) & (begins <= len(codes) - lengths)
    if not (inside & (splits >= 0) & (splits < nodes)).all():
        raise damaged(file, "a set of categories is out of place")
    found = zip(splits.tolist(), begins.tolist(), lengths.tolist(), strict=True)
    return {split: codes[begin : begin + length] for split, begin, length in found}
