"""Trees of CatBoost as operators of ONNX, with the statistics of categories that they read."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from emm.export.graph_forest import add_forest
from emm.export.graph_native import Places, forest_of
from emm.export.member_inputs import MemberInputs
from emm.export.nodes import ML, Nodes
from emm.export.sql.values import where
from emm.outside.catboost import CatBoostScorer
from emm.outside.catboost_file import FACTOR, About, CatBoostTrees, Category, Number, Statistic
from emm.outside.catboost_texts import trees_and_hashes
from emm.trees.native.nodes import NativeTrees

_NO_HASH = 2**40 + 1  # of unknown text: hashes of text have 32 bits


def add_catboost(
    nodes: Nodes, scorer: CatBoostScorer, inputs: MemberInputs, texts: Mapping[str, pl.Series]
) -> tuple[str, int]:
    """Add the logits, or values, [B, outputs] double of a CatBoost model; returns these and their
    number.

    ``texts``: see `trees_and_hashes`. Raises ModelFileError for a model that knows others.
    """
    trees, hashes = trees_and_hashes(scorer, texts)
    names = [each.name for each in scorer.inputs]
    found = _Graph(nodes, inputs, names, hashes).output(scorer.file, trees)
    if not scorer.order:
        return found, 1
    order = nodes.constant(np.array(scorer.order, np.int64))
    return nodes.add("Gather", [found, order], axis=1), len(scorer.order)


class _Graph:
    """The columns of trees in a graph that is being built; each is added once."""

    def __init__(
        self,
        nodes: Nodes,
        inputs: MemberInputs,
        names: list[str],
        hashes: Mapping[int, Mapping[str, int]],
    ) -> None:
        self.nodes, self.inputs, self.names, self.hashes = nodes, inputs, names, hashes
        self._numbers: dict[int, str] = {}
        self._texts: dict[int, str] = {}
        self._abouts: dict[About, str] = {}

    def output(self, file: Path, trees: CatBoostTrees) -> str:
        """What the model gives, [B, outputs] double."""
        nodes, native = self.nodes, _native(file, trees)
        used = sorted({*native.used(sets=False).tolist(), *native.used(sets=True).tolist()})
        place = {column: number for number, column in enumerate(used)}
        missing = {
            column: len(each.hashes) + 1
            for column, each in enumerate(trees.columns)
            if isinstance(each, Category)
        }
        columns = nodes.concat([self._column(trees.columns[column]) for column in used])
        zeros = np.zeros(trees.outputs)
        sums = add_forest(nodes, columns, forest_of(native, Places(place, place, missing)), zeros)
        scaled = nodes.add("Mul", [sums, nodes.constant(np.array(float(trees.scale)))])
        return nodes.add("Add", [scaled, nodes.constant(trees.bias.reshape(1, -1))])

    def _column(self, column: Number | Category | Statistic) -> str:
        """A column that trees read, [B, 1] double."""
        if isinstance(column, Number):
            return self._number(column.feature)
        if isinstance(column, Category):
            places = {each: number for number, each in enumerate(column.hashes)}
            known = self.hashes[column.feature].items()
            found = {text: float(places[each]) for text, each in known if each in places}
            return self._looked_up(self._text(column.feature), found, float(len(places)))
        return self._statistic(column)

    def _number(self, feature: int) -> str:
        """A number in the precision in which CatBoost compares it."""
        if feature not in self._numbers:
            single = self.nodes.cast(self.inputs.number(self.names[feature]), "FLOAT")
            self._numbers[feature] = self.nodes.cast(single, "DOUBLE")
        return self._numbers[feature]

    def _text(self, feature: int) -> str:
        if feature not in self._texts:
            self._texts[feature] = self.inputs.given_text(self.names[feature])
        return self._texts[feature]

    def _statistic(self, column: Statistic) -> str:
        if column.about not in self._abouts:
            self._abouts[column.about] = self._hash(column.about)
        keys = column.hashes.tolist()
        values = dict(zip(keys, column.values[:-1].astype(np.float64).tolist(), strict=True))
        return self._looked_up(self._abouts[column.about], values, float(column.values[-1]))

    def _hash(self, about: About) -> str:
        """The hash of what a statistic is about, int64 [B, 1]: products overflow, as CatBoost's."""
        nodes, found = self.nodes, self.nodes.constant(np.array(0))
        factor = nodes.constant(np.array(FACTOR))
        for value in self._hashed(about):
            sum_ = nodes.add("Add", [found, nodes.add("Mul", [value, factor])])
            found = nodes.add("Mul", [sum_, factor])
        return found

    def _hashed(self, about: About) -> Iterator[str]:
        nodes = self.nodes
        for feature in about.categories:
            yield self._text_hash(feature)
        for number, border in about.above:
            value = self._number(number.feature)
            above = nodes.add("Less", [nodes.constant(np.array(border)), value])
            if number.missing_above:
                above = nodes.add("Or", [above, nodes.add("IsNaN", [value])])
            yield nodes.cast(above, "INT64")
        for feature, known in about.equal:
            same = nodes.add("Equal", [self._text_hash(feature), nodes.constant(np.array(known))])
            yield nodes.cast(same, "INT64")

    def _text_hash(self, feature: int) -> str:
        return self._looked_up(self._text(feature), self.hashes[feature], _NO_HASH)

    def _looked_up(self, keys: str, known: Mapping[Any, float], default: float) -> str:
        """Texts or hashes as what is known of them."""
        array = self.nodes.onnx.numpy_helper.from_array
        if not known:
            # A dictionary can't be empty.
            same = self.nodes.add("Equal", [keys, keys])
            values = self.nodes.constant(np.array(default))
            return where(self.nodes, same, values, values)
        text = isinstance(next(iter(known)), str)
        return self.nodes.add(
            "LabelEncoder",
            [keys],
            domain=ML,
            keys_tensor=array(np.array([*known], object if text else np.int64), "keys"),
            values_tensor=array(np.array([*known.values()]), "values"),
            default_tensor=array(np.array([default]), "default"),
        )


def _native(file: Path, trees: CatBoostTrees) -> NativeTrees:
    """The trees as those of other files: other values than a split's one go left."""
    baseline = np.zeros(trees.outputs)
    return NativeTrees(file, (), trees.trees, baseline, trees.outputs, True, True)
