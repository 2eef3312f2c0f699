"""The trees of a CatBoost model, and the columns that they read, from its JSON.

Trees compare numbers with borders, categories with single values, and statistics of categories
with borders. A statistic is looked up in a table, by a hash of the categories that it is about; its
value is computed as CatBoost does, in single precision. The layout is undocumented; tests compare
with CatBoost's own predictions.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emm.trees.catboost_trees import Split, complete_tree
from emm.trees.native.files import Array, damaged
from emm.trees.native.nodes import Tree

FACTOR = 0x4906BA494954CB65
"""Of the hash of several values: 0 before the first one, then (hash + value * factor) * factor."""

_UNUSED = str(2**64 - 1)  # the hash of an empty place of a table


@dataclass(frozen=True)
class Number:
    """A number; ``feature``: its place among the model's features."""

    feature: int
    missing_above: bool


@dataclass(frozen=True)
class Category:
    """A category that is compared with the hashes of single values, by which it is numbered."""

    feature: int
    hashes: tuple[int, ...]


@dataclass(frozen=True)
class About:
    """What a statistic is about: some categories, whether numbers are above a border, and whether
    categories have one value."""

    categories: tuple[int, ...]
    above: tuple[tuple[Number, float], ...] = ()
    equal: tuple[tuple[int, int], ...] = ()

    @property
    def features(self) -> set[int]:
        """The features whose categories it reads."""
        return {*self.categories, *(feature for feature, _ in self.equal)}


@dataclass(frozen=True)
class Statistic:
    """A statistic of the training rows by category; ``values``: of each of the ``hashes``, and of
    every other one."""

    about: About
    hashes: Array  # int64 [K]
    values: Array  # float32 [K + 1]


Column = Number | Category | Statistic


@dataclass(frozen=True)
class CatBoostTrees:
    """Trees that read ``columns``; tree k adds to output k % ``outputs``. The model's output is
    ``scale`` times the sums, plus ``bias``. ``listed``: the hashes of texts that the file lists."""

    columns: tuple[Column, ...]
    trees: tuple[Tree, ...]
    outputs: int
    scale: float
    bias: Array
    listed: Mapping[str, int]

    @property
    def categories(self) -> list[int]:
        """The features that are read as categories, ascending."""
        found = {each.feature for each in self.columns if isinstance(each, Category)}
        abouts = [each.about for each in self.columns if isinstance(each, Statistic)]
        return sorted(found.union(*(about.features for about in abouts)))


def read_json(file: Path, model: Mapping[str, Any]) -> CatBoostTrees:
    """The trees of the parsed JSON of a ``file``. Raises ModelFileError for what it can't have."""
    try:
        return _read(file, model)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise damaged(file, f"its JSON has another form: {error!r}") from error


def _read(file: Path, model: Mapping[str, Any]) -> CatBoostTrees:
    columns, splits = _columns(model)
    scale, bias = model["scale_and_bias"]
    outputs = len(bias)
    trees = list[Tree]()
    for stored in model.get("oblivious_trees", ()):
        asked = [_split(file, each, splits) for each in stored["splits"] or ()]
        values = np.array(stored["leaf_values"], np.float64).reshape(-1, outputs)
        trees += [complete_tree(asked, values[:, output]) for output in range(outputs)]
    for stored in model.get("trees", ()):
        every = [*_nodes(file, stored, splits)]
        trees += [_uneven(every, output) for output in range(outputs)]
    listed = model["features_info"].get("cat_features_hash") or ()
    texts = {str(each["value"]): _signed(each["hash"]) for each in listed}
    return CatBoostTrees(
        tuple(columns), (*trees,), outputs, scale, np.array(bias, np.float64), texts
    )


def _columns(model: Mapping[str, Any]) -> tuple[list[Column], list[Split]]:
    """The columns, and every split of them in the order in which trees number these."""
    info = model["features_info"]
    columns, splits = list[Column](), list[Split]()
    numbers, categories = dict[int, Number](), dict[int, int]()
    for each in info.get("float_features") or ():
        above = each.get("nan_value_treatment") == "AsTrue"
        number = numbers[each["feature_index"]] = Number(each["flat_feature_index"], above)
        borders = each.get("borders") or ()
        splits += [Split(len(columns), border, missing_above=above) for border in borders]
        columns.append(number)
    for each in info.get("categorical_features") or ():
        categories[each["feature_index"]] = each["flat_feature_index"]
        hashes = tuple(_signed(value) for value in each.get("values") or ())
        splits += [Split(len(columns), id=place) for place in range(len(hashes))]
        columns.append(Category(each["flat_feature_index"], hashes))
    for each in info.get("ctrs") or ():
        splits += [Split(len(columns), border) for border in each["borders"]]
        table = model["ctr_data"][each["identifier"]]
        columns.append(_statistic(each, table, _about(each["elements"], numbers, categories)))
    return columns, splits


def _split(file: Path, stored: Mapping[str, Any], splits: Sequence[Split]) -> Split:
    found: Split = splits[stored["split_index"]]
    if found.id is None and found.border != stored["border"]:
        raise damaged(file, "a split has another border than its column")
    return found


def _about(
    elements: Sequence[Mapping[str, Any]],
    numbers: Mapping[int, Number],
    categories: Mapping[int, int],
) -> About:
    kind = "combination_element"
    return About(
        tuple(
            categories[each["cat_feature_index"]]
            for each in elements
            if each[kind] == "cat_feature_value"
        ),
        tuple(
            (numbers[each["float_feature_index"]], each["border"])
            for each in elements
            if each[kind] == "float_feature"
        ),
        tuple(
            (categories[each["cat_feature_index"]], _signed(each["value"]))
            for each in elements
            if each[kind] == "cat_feature_exact_value"
        ),
    )


def _statistic(stored: Mapping[str, Any], table: Mapping[str, Any], about: About) -> Statistic:
    entries = np.array(table["hash_map"], object).reshape(-1, table["hash_stride"])
    entries = entries[np.array([str(each) != _UNUSED for each in entries[:, 0]], bool)]
    counts = entries[:, 1:].astype(np.float32)
    good, total = _good_and_total(stored, table, counts)
    # Of a hash that isn't there, nothing is counted.
    of_all = table["counter_denominator"] if stored["ctr_type"] in _OF_ALL else 0
    values = _value(stored, np.append(good, np.float32(0)), np.append(total, np.float32(of_all)))
    return Statistic(about, _wrapped(entries[:, 0]), values)


_OF_ALL = ("Counter", "FeatureFreq")


def _good_and_total(
    stored: Mapping[str, Any], table: Mapping[str, Any], counts: Array
) -> tuple[Array, Array]:
    """What is counted of each hash, and of how many, [K] float32 each."""
    kind, border = stored["ctr_type"], stored["target_border_idx"]
    if kind in _OF_ALL:
        return counts[:, 0], np.full(len(counts), table["counter_denominator"], np.float32)
    if kind in ("BinarizedTargetMeanValue", "FloatTargetMeanValue"):
        return counts[:, 0], counts[:, 1]
    total = counts.sum(axis=1)
    good = counts[:, border] if kind == "Buckets" else counts[:, border + 1 :].sum(axis=1)
    return good, total


def _value(stored: Mapping[str, Any], good: Array, total: Array) -> Array:
    """(good + prior) / (total + its weight), moved and scaled, in single precision."""
    prior, weight = (np.float32(stored[k]) for k in ("prior_numerator", "prior_denomerator"))
    share = (good + prior) / (total + weight)
    found: Array = (share + np.float32(stored["shift"])) * np.float32(stored["scale"])
    return found


def _nodes(
    file: Path, stored: Mapping[str, Any], splits: Sequence[Split]
) -> Iterator[tuple[Split | None, Any]]:
    """The nodes of a tree in preorder: a split and the place of its right child, counted from its
    own, or the values of a leaf."""
    if "split" not in stored:
        yield None, np.atleast_1d(stored["value"])
        return
    left = [*_nodes(file, stored["left"], splits)]
    yield _split(file, stored["split"], splits), len(left) + 1
    yield from left
    yield from _nodes(file, stored["right"], splits)


def _uneven(nodes: Sequence[tuple[Split | None, Any]], output: int) -> Tree:
    itself = np.arange(len(nodes))
    inner = np.array([split is not None for split, _ in nodes])
    every = [split or Split(0) for split, _ in nodes]
    steps = np.array([0 if split is None else at for split, at in nodes])
    by_set = np.array([each.id is not None for each in every])
    return Tree(
        feature=np.array([each.column for each in every]),
        threshold=np.array([each.border for each in every], np.float64),
        left=np.where(inner, itself + 1, itself),
        right=itself + steps,
        missing_left=~np.array([each.missing_above for each in every]),
        set=np.where(by_set, np.cumsum(by_set) - 1, -1),
        sets=[np.array([each.id]) for each in every if each.id is not None],
        value=np.array([0.0 if split is not None else at[output] for split, at in nodes]),
    )


def _signed(value: Any) -> int:
    """The hash of a category as a number of 32 bits with a sign."""
    return (int(value) + 2**31) % 2**32 - 2**31


def _wrapped(hashes: Array) -> Array:
    """Hashes as int64."""
    return np.array([int(each) for each in hashes], np.uint64).astype(np.int64)
