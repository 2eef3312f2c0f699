"""Features of an XGBoost model: names, categories of a data frame's columns, and thresholds."""

from collections.abc import Collection, Sequence, Sized
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from emm.trees.native.files import Array, damaged, unsupported
from emm.trees.native.nodes import Feature, NativeTrees, Tree
from emm.trees.native.xgboost_json import Part, integers, part

WITH_LISTS = (3, 1)  # the version since which files hold the categories of a data frame's columns


def features_of(
    file: Path, learner: Part, stored: Part, count: int, trees: Sequence[Tree]
) -> list[Feature]:
    """The ``count`` features. Raises ModelFileError if their names or categories are damaged."""
    names = _names(file, learner, count)
    lists = _lists_of_categories(file, stored, count)
    spans = _spans(trees)
    none = (None, None)
    return [
        Feature(name, lists[number] or None, *spans.get(number, none))
        for number, name in enumerate(names)
    ]


def without_list(features: Sequence[Feature], trees: Sequence[Tree]) -> list[int]:
    """The features that are split by categories, but have no list of them, in ascending order."""
    split = {int(feature) for tree in trees for feature in tree.feature[tree.set >= 0]}
    return [number for number in sorted(split) if features[number].categories is None]


def refuse_unlisted(native: NativeTrees, given: Collection[str] = ()) -> None:
    """Raise ModelFileError if the codes of a feature's categories are unknown.

    Of a data frame's category column, codes are positions in a list that the file lost. ``given``:
    names of the features whose values are known to be these codes.
    """
    for number in native.unlisted:
        name = native.features[number].name or f"f{number}"
        if name not in given:
            raise unsupported(
                native.file,
                f"splits {name!r} by categories, but doesn't hold the list of them",
                got="a file of an XGBoost before 3.1",
                expected="one of XGBoost 3.1 or later, whose files hold the lists",
                next_step="train again with XGBoost 3.1 or later (loading and saving doesn't bring "
                "the lists back), or give its codes as they were in training: columns: "
                f"{{{name}: \"CASE {name} WHEN 'first category' THEN 0 ... END\"}}",
            )


def _is_absent(value: object) -> bool:
    """Whether a list isn't there or is empty; it may also be an array, or what it shouldn't be."""
    return value is None or (isinstance(value, Sized) and not len(value))


def _names(file: Path, learner: Part, count: int) -> Sequence[str | None]:
    names: Any = learner.get("feature_names")
    if _is_absent(names):
        return [None] * count
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise damaged(file, "its feature names aren't text")
    if len(names) != count:
        raise damaged(file, f"it names {len(names)} features, not {count}")
    return names


def _lists_of_categories(file: Path, stored: Part, count: int) -> list[Sequence[object]]:
    """The categories of each feature, [] if it has none."""
    cats = part(file, stored, "cats", dict) if "cats" in stored else {}
    entries: Any = cats.get("enc")
    if _is_absent(entries):
        return [[]] * count
    lists = isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)
    if not lists or len(entries) != count:
        raise damaged(file, "its categories aren't one list per feature")
    return [_categories(file, entry) for entry in entries]


def _categories(file: Path, entry: Part) -> Sequence[object]:
    """A list of categories: numbers, or text stored as its letters and where each one starts."""
    values: Any = entry.get("values")
    if _is_absent(values):
        return []
    offsets = entry.get("offsets")
    if _is_absent(offsets):
        return list(integers(file, entry, "values").tolist())
    starts, letters = integers(file, entry, "offsets"), integers(file, entry, "values")
    rising = (np.diff(starts) >= 0).all() and starts[0] == 0 and starts[-1] == len(letters)
    if not rising or ((letters < -128) | (letters > 255)).any():
        raise damaged(file, "a list of categories is out of place")
    if ((letters < 0) | (letters > 127)).any():
        # XGBoost 3.1 and 3.2 count letters in the offsets, but store bytes, and cut off the rest.
        raise unsupported(
            file,
            "has categories with letters beyond ASCII, whose list XGBoost cuts off",
            got="a category with accents or of another script",
            expected="ASCII",
            next_step="train with renamed categories, or with LightGBM",
        )
    text = bytes(letters.astype(np.uint8)).decode("ascii")
    return [text[start:stop] for start, stop in pairwise(starts.tolist())]


def _spans(trees: Sequence[Tree]) -> dict[int, tuple[float, float]]:
    """The smallest and largest threshold of each feature that is split by one."""
    inner = [~tree.leaf & (tree.set < 0) for tree in trees]
    features: Array = np.concatenate(
        [tree.feature[at] for tree, at in zip(trees, inner, strict=True)]
    )
    values = np.concatenate([tree.threshold[at] for tree, at in zip(trees, inner, strict=True)])
    return {
        int(feature): (float(found.min()), float(found.max()))
        for feature in np.unique(features)
        for found in [values[features == feature]]
    }
