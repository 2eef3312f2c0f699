"""Trees of LightGBM and XGBoost files on raw columns: float64 numbers, categories as they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from emm.outside.raw_values import Categories, Codes, Known, Numbers
from emm.trees.native.files import Array, damaged
from emm.trees.native.nodes import NativeTrees, Tree

DENSE_IDS = 4096  # ids up to which a set is looked up in a table instead of searched

LARGEST_CODE = 2**24  # from here on, XGBoost takes codes for invalid ones


@dataclass(frozen=True)
class RawTrees:
    """Trees that read raw columns.

    ``numbers``: by feature that is split by thresholds; ``codes``: by feature that is split by sets
    of categories. A feature can be in both.
    """

    native: NativeTrees
    numbers: Mapping[int, Numbers]
    codes: Mapping[int, Codes | Categories]

    @property
    def features(self) -> list[int]:
        """Features that are in any split, in the file's order."""
        return sorted({*self.numbers, *self.codes})

    def logits(self, columns: Mapping[int, pl.Series]) -> Array:
        """The logits [B, outputs] float64 of B rows; ``columns``: the values of each feature."""
        rows = len(next(iter(columns.values())))
        numbers = {k: each.values(columns[k]) for k, each in self.numbers.items()}
        ids = {k: each.ids(columns[k]) for k, each in self.codes.items()}
        logits = np.tile(np.atleast_1d(self.native.baseline), (rows, 1))
        for number, tree in enumerate(self.native.trees):
            self._add(tree, numbers, ids, logits[:, number % self.native.outputs])
        return logits

    def _add(
        self, tree: Tree, numbers: Mapping[int, Array], ids: Mapping[int, Array], to: Array
    ) -> None:
        """Add the values of the leaves that rows end in to ``to`` [B], in place."""
        waiting = [(0, np.arange(len(to)))]
        while waiting:
            node, rows = waiting.pop()
            left, right = int(tree.left[node]), int(tree.right[node])
            if left == node:
                to[rows] += tree.value[node]
                continue
            feature, missing_left = int(tree.feature[node]), bool(tree.missing_left[node])
            if tree.set[node] < 0:
                values, threshold = numbers[feature][rows], tree.threshold[node]
                # A comparison with NaN is false.
                goes_left = ~(values > threshold) if missing_left else values <= threshold
            else:
                codes = tree.sets[tree.set[node]]
                goes_left = self._goes_left(feature, codes, ids[feature][rows], missing_left)
            for child, part in ((left, rows[goes_left]), (right, rows[~goes_left])):
                if len(part):
                    waiting.append((child, part))

    def _goes_left(self, feature: int, codes: Array, ids: Array, missing_left: bool) -> Array:
        """Whether each row goes left, by its ``ids`` [B], in a split by a set of ``codes``."""
        own, others = self.codes[feature], self.native.others_left
        if own.cardinality <= max(DENSE_IDS, len(ids)):
            left = np.full(own.cardinality, others)
            left[codes] = not others
            left[own.missing] = missing_left
            return np.asarray(left[ids])
        inside = np.isin(ids, codes)
        return np.where(ids == own.missing, missing_left, inside != others)


def on_raw_columns(native: NativeTrees, names: Sequence[str], known: Known) -> RawTrees:
    """The trees of a file on raw columns called ``names``, one for each feature.

    ``known`` collects which categories occur. Raises ModelFileError for splits on categories that
    their list lacks.
    """
    numbers = {
        int(feature): Numbers(names[feature], native.single, native.zero)
        for feature in native.used(sets=False)
    }
    codes = {
        int(feature): _codes(native, int(feature), names[feature], known)
        for feature in native.used(sets=True)
    }
    return RawTrees(native, numbers, codes)


def _codes(native: NativeTrees, feature: int, name: str, known: Known) -> Codes | Categories:
    sets = [
        tree.sets[place]
        for tree in native.trees
        for place in tree.set[(tree.feature == feature) & (tree.set >= 0)]
    ]
    largest = max((int(codes.max()) for codes in sets if len(codes)), default=-1)
    least = min((int(codes.min()) for codes in sets if len(codes)), default=0)
    categories = native.features[feature].categories
    listed = LARGEST_CODE if categories is None else len(categories)
    if least < 0 or largest >= listed:
        raise damaged(
            native.file, "a set contains a category that is missing in the list of categories"
        )
    if categories is None:
        return Codes(name, largest + 1, negative_is_code=not native.single)
    if len(set(map(str, categories))) < len(categories):
        raise damaged(native.file, f"the list of categories of {name!r} has one of them twice")
    return Categories(name, tuple(categories), known)
