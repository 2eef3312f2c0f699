"""Trees of an XGBoost model, `save_model("m.json")` or `("m.ubj")`.

Chen and Guestrin, "XGBoost: A Scalable Tree Boosting System", KDD 2016. The weights of the DART
booster are those of Rashmi and Gilad-Bachrach, "DART: Dropouts meet Multiple Additive Regression
Trees", AISTATS 2015. The format is XGBoost's doc/model.schema.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from emm.nn.inputs import Inputs
from emm.trees.forest import TreeEnsemble
from emm.trees.native.files import Array, Kind, damaged, unsupported
from emm.trees.native.nodes import NativeTrees, Tree, reachable
from emm.trees.native.processed import on_processed_columns
from emm.trees.native.xgboost_features import WITH_LISTS, features_of, without_list
from emm.trees.native.xgboost_json import (
    Part,
    integers,
    margin,
    part,
    read_document,
    reals,
    size,
    version,
)


def read_xgboost(
    path: Path, inputs: Inputs, columns: Sequence[str], outputs: int = 1
) -> TreeEnsemble:
    """The trees of an XGBoost model that was trained on the processed ``columns``.

    Raises ModelFileError as `parse_xgboost`, and for splits that these columns can't have.
    """
    return on_processed_columns(parse_xgboost(path, outputs), inputs, columns, columns)


def parse_xgboost(file: Path, outputs: int = 1, kind: Kind = "classifier") -> NativeTrees:
    """The trees of an XGBoost model.

    Logits are XGBoost's margins, one for a binary model and one for each of several ``outputs``,
    which are classes; a regression has one value. The trees are those that XGBoost itself predicts
    with: from a file of the scikit-learn classifier, those up to the best iteration if training
    stopped early; from a file of a Booster, all.
    Raises ModelFileError for other objectives, numbers of classes and boosters, and for damaged
    files.
    """
    document = read_document(file, outputs, kind)
    learner = document["learner"]
    stored, trees, weights = _stored_trees(file, learner)
    count = size(file, part(file, learner, "learner_model_param", dict), "num_feature")
    order = _order(file, stored, outputs)
    kept, note = _kept(file, learner, stored, outputs)
    built = [_tree(file, trees[number], weights[number], count) for number in order[:kept]]
    features = features_of(file, learner, stored, count, built)
    bare = without_list(features, built)
    lost = version(document) < WITH_LISTS
    plain = (
        ""
        if lost or not bare
        else (
            "the file holds no list of the categories of "
            + ", ".join(repr(features[number].name or f"f{number}") for number in bare)
            + ": their codes are taken as the columns' own numbers"
        )
    )
    return NativeTrees(
        file,
        features,
        built,
        margin(file, learner, outputs),
        outputs,
        others_left=True,
        single=True,
        unlisted=bare if lost else (),
        notes=[each for each in (note, plain) if each],
    )


def _stored_trees(file: Path, learner: Part) -> tuple[Part, list[Part], Array]:
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


def _order(file: Path, stored: Part, outputs: int) -> Array:
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


def _kept(file: Path, learner: Part, stored: Part, outputs: int) -> tuple[int | None, str]:
    """Number of trees that the model predicts with, None for all, and what is to be said of it."""
    attributes = part(file, {"attributes": {}, **learner}, "attributes", dict)
    if "best_iteration" not in attributes:
        return None, ""
    sizes = part(file, stored, "gbtree_model_param", dict)
    parallel = size(file, {"num_parallel_tree": "1", **sizes}, "num_parallel_tree")
    best = size(file, attributes, "best_iteration") + 1
    trees = best * max(1, parallel) * outputs
    if "scikit_learn" in attributes:
        return trees, ""
    rounds = len(stored["trees"]) // (max(1, parallel) * outputs)
    if best >= rounds:
        return None, ""
    return None, (
        f"training stopped at its best round, {best}, but a Booster predicts with all of its "
        f"{rounds} rounds, and so it does here; to use the best ones, save booster[:{best}]"
    )


def _tree(file: Path, tree: Part, weight: float, features: int) -> Tree:
    left, right, leaf = _children(file, tree)
    nodes = len(leaf)
    feature = np.where(leaf, 0, integers(file, tree, "split_indices", nodes))
    if not ((feature >= 0) & (feature < features)).all():
        raise damaged(file, "a split has no feature")
    with np.errstate(over="ignore"):
        value = reals(file, tree, "split_conditions", nodes).astype(np.float32)
    position, sets = _sets(file, tree, leaf)
    # Version 2.1 stores NaN as the threshold of a split by a set.
    value = np.where(position < 0, value, np.float32(0))
    if np.isnan(value).any() or not np.isfinite(value[leaf]).all():
        raise damaged(file, "a split has no threshold, or a leaf no finite value")
    return Tree(
        feature=feature,
        # XGBoost tests x < threshold, which is x <= the next float32 below it.
        threshold=np.nextafter(value, np.float32(-np.inf)).astype(np.float64),
        left=left,
        right=right,
        missing_left=integers(file, tree, "default_left", nodes) != 0,
        set=position,
        sets=sets,
        value=np.where(leaf, value.astype(np.float64) * weight, 0.0),
    )


def _children(file: Path, tree: Part) -> tuple[Array, Array, Array]:
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


def _sets(file: Path, tree: Part, leaf: Array) -> tuple[Array, list[Array]]:
    """The position of each node's set or -1, and the sets: codes in them go right, others left."""
    position = np.full(len(leaf), -1)
    if "split_type" not in tree:  # before version 1.3
        return position, []
    kind = integers(file, tree, "split_type", len(leaf))
    categorical = np.flatnonzero((kind == 1) & ~leaf)
    sets = _sets_by_node(file, tree, len(leaf)) if len(categorical) else {}
    position[categorical] = np.arange(len(categorical))
    return position, [sets.get(int(node), np.zeros(0, np.int64)) for node in categorical]


def _sets_by_node(file: Path, tree: Part, nodes: int) -> dict[int, Array]:
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
