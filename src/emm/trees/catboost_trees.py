"""Trees of a CatBoost model's JSON as a `TreeEnsemble`.

All nodes of a level of a symmetric tree have the same split, and the bits of the answers are the
number of a leaf. Splits compare numbers with borders, and small fields with one id. The layout is
undocumented; tests compare with CatBoost's own predictions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emm.nn.inputs import Inputs
from emm.trees.forest import TreeEnsemble
from emm.trees.native.nodes import Tree
from emm.trees.native.place import IdSet, Placement, assemble, float32_below

Array = NDArray[Any]
NO_SETS = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Columns:
    """Positions, among the D + F columns, of the model's numbers and of its categories."""

    numbers: Array
    categories: Array


def from_catboost(
    model: Mapping[str, Any],
    inputs: Inputs,
    columns: Columns,
    rounds: int,
    present: Array,
    outputs: int,
    absent: float,
) -> TreeEnsemble:
    """The first ``rounds`` trees of a model that was trained on ids written as text.

    Args:
        model: the parsed JSON, saved with the rows of training, whose ids it lists.
        present: the classes that occur in training, [0] for a task of one output.
        outputs: of the ensemble; those that aren't ``present`` have the constant logit ``absent``.
    """
    ids = _ids(model["features_info"], columns)
    scale, bias = model["scale_and_bias"]
    trees = []
    for stored in model["oblivious_trees"][:rounds]:
        splits = [_split(split, columns, ids) for split in stored["splits"] or ()]
        values = scale * np.array(stored["leaf_values"], dtype=np.float64)
        of_class = dict(zip(present.tolist(), values.reshape(-1, len(present)).T, strict=True))
        trees += [
            complete_tree(splits, of_class[number])
            if number in of_class
            else complete_tree([], np.zeros(1))
            for number in range(outputs)
        ]
    baseline = np.full(outputs, absent)
    baseline[present] = bias
    width = inputs.dense + len(inputs.cardinalities)
    placement = Placement(
        inputs,
        np.arange(width),
        np.arange(width),
        lambda _, threshold: float32_below(threshold),
        lambda _, codes, __: IdSet(codes, others_left=True),
    )
    return assemble(placement, trees, baseline.squeeze(), outputs)


@dataclass(frozen=True)
class Split:
    """A split: of values above ``border``, or of the one ``id``, from all others.

    ``missing_above``: missing values are above every border.
    """

    column: int
    border: float = 0.0
    id: int | None = None
    missing_above: bool = False


def _ids(info: Mapping[str, Any], columns: Columns) -> dict[int, int]:
    """The id behind each hash of a category; CatBoost stores hashes with or without a sign."""
    if not len(columns.categories):
        return {}
    return {int(entry["hash"]) % 2**32: int(entry["value"]) for entry in info["cat_features_hash"]}


def _split(split: Mapping[str, Any], columns: Columns, ids: Mapping[int, int]) -> Split:
    if split["split_type"] == "FloatFeature":
        column = int(columns.numbers[split["float_feature_index"]])
        return Split(column, float(split["border"]))
    # Other types are combinations and statistics of categories, which aren't asked for.
    assert split["split_type"] == "OneHotFeature", split["split_type"]
    column = int(columns.categories[split["cat_feature_index"]])
    return Split(column, id=ids[int(split["value"]) % 2**32])


def complete_tree(splits: Sequence[Split], values: Array) -> Tree:
    """A complete binary tree: level by level, and within a level by the bits of the answers."""
    depth = len(splits)
    levels = np.repeat(np.arange(depth + 1), 2 ** np.arange(depth + 1))
    place = np.concatenate([np.arange(2**level) for level in range(depth + 1)])
    itself, inner = np.arange(len(levels)), levels < depth
    below = 2 ** (levels + 1) - 1 + place  # the child whose bit is 0
    of_level = [*splits, Split(0)]  # leaves compare nothing
    by_set = np.array([split.id is not None for split in of_level])
    numbers = np.cumsum(by_set) - 1
    return Tree(
        feature=np.array([split.column for split in of_level])[levels],
        threshold=np.array([split.border for split in of_level])[levels],
        left=np.where(inner, below, itself),
        right=np.where(inner, below + 2**levels, itself),
        missing_left=~np.array([split.missing_above for split in of_level])[levels],
        set=np.where(by_set, numbers, -1)[levels],
        sets=[np.array([split.id]) for split in splits if split.id is not None],
        value=np.concatenate([np.zeros(2**depth - 1), values]),
    )
