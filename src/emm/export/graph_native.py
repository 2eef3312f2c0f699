"""Trees of LightGBM and XGBoost files on raw columns as operators of ONNX.

See `emm.outside.raw_trees` and `emm.outside.raw_values`.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import polars as pl

from emm.core.errors import ModelFileError
from emm.data.tables.kinds import INTEGER, TEXT
from emm.export.columns import EXACT
from emm.export.graph_forest import Forest, add_forest, joined
from emm.export.member_inputs import MemberInputs
from emm.export.nodes import ML, Nodes
from emm.outside.raw_trees import RawTrees
from emm.outside.raw_values import Categories, Codes, Numbers
from emm.trees.native.nodes import NativeTrees, Tree


def add_native_trees(nodes: Nodes, trees: RawTrees, source: MemberInputs) -> str:
    """Add the logits, or the values, [B, outputs] double. Raises ModelFileError for trees that
    ONNX can't hold."""
    require_trees(trees.native)
    numbers = {k: _number(nodes, each, source) for k, each in trees.numbers.items()}
    codes = {k: _code(nodes, each, source) for k, each in trees.codes.items()}
    features = nodes.concat([*numbers.values(), *codes.values()])
    places = Places(
        dict(zip(numbers, range(len(numbers)), strict=True)),
        {k: len(numbers) + place for place, k in enumerate(codes)},
        {k: each.missing for k, each in trees.codes.items()},
    )
    native = trees.native
    baseline = np.broadcast_to(native.baseline, native.outputs).astype(np.float64)
    return add_forest(nodes, features, forest_of(native, places), baseline)


class Places(NamedTuple):
    """The columns of the features that are split by thresholds, and by sets; ``missing``: the id of
    missing values of the latter."""

    numbers: Mapping[int, int]
    codes: Mapping[int, int]
    missing: Mapping[int, int]


def require_trees(native: NativeTrees) -> None:
    """Raise ModelFileError for trees of which one node has two parents."""
    for tree in native.trees:
        inner = np.flatnonzero(~tree.leaf)
        children = np.concatenate([tree.left[inner], tree.right[inner]])
        children = children[~tree.leaf[children]]
        if len(np.unique(children)) < len(children):
            raise ModelFileError(
                f"the trees of {native.file} can't be exported: zeros are missing values in them, "
                "which no operator of ONNX knows",
                where=native.file,
                next_step="train it without zero_as_missing, or fuse without this member",
            )


def forest_of(native: NativeTrees, places: Places) -> Forest:
    """All trees of a file on the columns at these places."""
    every = enumerate(native.trees)
    return joined([_tree(native, tree, number % native.outputs, places) for number, tree in every])


def _tree(native: NativeTrees, tree: Tree, to: int, places: Places) -> Forest:
    asks = ~tree.leaf & (tree.set >= 0)
    column = np.zeros(len(tree.left), np.int64)
    for node in np.flatnonzero(~tree.leaf):
        known = places.codes if asks[node] else places.numbers
        column[node] = known[int(tree.feature[node])]
    # Codes outside of a set go to the other side: left in files whose sets go right.
    swapped = asks & native.others_left
    sets: list[np.ndarray] = []
    asked = np.full(len(tree.left), -1)
    for node in np.flatnonzero(asks):
        ids = np.asarray(tree.sets[tree.set[node]], np.int64)
        if bool(tree.missing_left[node]) != native.others_left:
            ids = np.append(ids, places.missing[int(tree.feature[node])])
        asked[node] = len(sets)
        sets.append(ids)
    return Forest(
        starts=np.zeros(1, np.int64),
        left=np.where(swapped, tree.right, tree.left),
        right=np.where(swapped, tree.left, tree.right),
        column=column,
        threshold=np.where(tree.leaf, 0.0, tree.threshold),
        missing_left=tree.missing_left.astype(bool),
        set=asked,
        sets=sets,
        value=tree.value,
        to=np.array([to]),
    )


def _number(nodes: Nodes, feature: Numbers, source: MemberInputs) -> str:
    """A feature that is split by thresholds, [B, 1] double."""
    value = source.number(feature.name, blank_is_missing=True)
    if feature.single:
        value = nodes.cast(nodes.cast(value, "FLOAT"), "DOUBLE")
    if feature.zero:
        near = nodes.add("LessOrEqual", [nodes.add("Abs", [value]), _double(nodes, feature.zero)])
        value = nodes.add("Where", [near, _double(nodes, 0.0), value])
    return value


def _code(nodes: Nodes, feature: Codes | Categories, source: MemberInputs) -> str:
    """The ids of a feature that is split by sets, [B, 1] double."""
    if isinstance(feature, Categories):
        return _category(nodes, feature, source)
    value = source.number(feature.name, blank_is_missing=True)
    zero, known = _double(nodes, 0.0), _double(nodes, float(feature.known))
    code = nodes.add("Floor", [nodes.add("Max", [value, zero])])
    least = ("Less", -1.0) if feature.negative_is_code else ("LessOrEqual", 0.0)
    inside = nodes.add(least[0], [_double(nodes, least[1]), value])
    inside = nodes.add("And", [inside, nodes.add("Less", [code, known])])
    found = nodes.add("Where", [inside, code, known])
    missing = _double(nodes, float(feature.missing))
    return nodes.add("Where", [nodes.add("IsNaN", [value]), missing, found])


def _category(nodes: Nodes, feature: Categories, source: MemberInputs) -> str:
    kind = source.kind(feature.name)
    listed = pl.Series([*map(str, feature.categories)], dtype=pl.String)
    text = all(isinstance(each, str) for each in feature.categories)
    if kind == TEXT and text:
        value = source.text(feature.name)
        keys: np.ndarray = listed.to_numpy().astype(object)
    else:
        value = source.number(feature.name, blank_is_missing=True)
        numbers = listed.cast(pl.Float64, strict=False).fill_nan(None)
        keys = numbers.fill_null(np.nan).to_numpy()
        if kind == INTEGER and bool((numbers.abs() >= EXACT).any()):
            raise ModelFileError(
                f"the categories of {feature.name!r} are whole numbers that doubles don't tell "
                "apart",
                where=source.where,
                next_step="export the model as ONNX with text as its input",
            )
    present = keys != "" if keys.dtype == object else ~np.isnan(keys)
    return _looked_up(nodes, value, keys, present, float(feature.missing))


def _looked_up(
    nodes: Nodes, value: str, keys: np.ndarray, present: np.ndarray, default: float
) -> str:
    """The place of a value among ``keys``, of which only those that are ``present`` count."""
    array = nodes.onnx.numpy_helper.from_array
    return nodes.add(
        "LabelEncoder",
        [value],
        domain=ML,
        keys_tensor=array(keys[present], "keys"),
        values_tensor=array(np.flatnonzero(present).astype(np.float64), "values"),
        default_tensor=array(np.array([default]), "default"),
    )


def _double(nodes: Nodes, value: float) -> str:
    return nodes.constant(np.array(value, np.float64))
