"""Whether trees were trained on raw columns or on processed ones, by what their file holds.

Processed dense columns hold 0 to 1 on train, processed sparse ones whole ids from 0. A file proves
the opposite by values that these can't hold, and proves the former by staying between 0 and 1 in a
column whose raw values mostly don't.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from emm.core.errors import ModelFileError
from emm.data.tables.schema import DenseColumn
from emm.outside.scorer import Context
from emm.outside.settings import OutsideModel
from emm.trees.native.nodes import Feature, NativeTrees

ROUNDING = 1e-3
SHOWN = 2  # reasons that are said


@dataclass(frozen=True)
class Evidence:
    """What a file proves about the columns that its model was trained on, and by what."""

    columns: Literal["raw", "encoded"]
    reason: str


@dataclass(frozen=True)
class Traits:
    """What a file shows of its features.

    ``by_set``, ``by_threshold``: the numbers of those that are split by sets of categories and by
    thresholds; ``underscores``: their names have underscores for blanks.
    """

    file: Path
    features: Sequence[Feature]
    by_set: Collection[int]
    by_threshold: Collection[int]
    underscores: bool = False

    def names_of(self, columns: Sequence[str]) -> list[str]:
        """How the file names features that are called like these columns."""
        return [name.replace(" ", "_") if self.underscores else name for name in columns]


def traits_of(native: NativeTrees) -> Traits:
    """The traits of a LightGBM or XGBoost model."""
    by_set, by_threshold = (native.used(sets=sets).tolist() for sets in (True, False))
    return Traits(native.file, native.features, by_set, by_threshold, native.underscores)


def decide(
    traits: Traits, entry: OutsideModel, context: Context
) -> tuple[Literal["raw", "encoded"], str]:
    """Whether the model reads raw or encoded columns, and a sentence that says why.

    Raises ModelFileError if the file contradicts the entry or itself, or if the entry says nothing
    and the file proves nothing.
    """
    found = [*evidence(traits, context, entry.expressions)]
    kinds = {each.columns for each in found}
    if isinstance(entry.columns, Mapping) or entry.columns == "raw":
        if kinds == {"encoded"}:
            raise _contradiction(traits, "encoded columns: columns: encoded", "raw", found)
        return "raw", ""
    if entry.columns == "encoded":
        if "raw" in kinds:
            raise _contradiction(traits, "raw values: columns: raw", "encoded", found)
        return "encoded", ""
    if len(kinds) != 1:
        what = "could have been trained on raw columns or on encoded ones"
        raise ModelFileError(
            f"the model file {what}" if not kinds else f"the model file {what}: it shows both",
            where=traits.file,
            got=_reasons(found) or "no value that only one of both holds",
            expected="columns: raw or columns: encoded in its entry",
            next_step="write columns: raw if it was trained on the raw columns, columns: encoded "
            "if on those of data/processed",
        )
    (kind,) = kinds
    values = "the raw columns" if kind == "raw" else "the encoded columns"
    return kind, f"it reads {values}, as its file shows: {_reasons(found)}"


def evidence(
    traits: Traits, context: Context, expressions: Mapping[str, str]
) -> Iterator[Evidence]:
    """What the features show, except those that an entry gives an expression for."""
    names = traits.names_of(context.encoded)
    positions: dict[str, int] = {name: at for at, name in enumerate(names)}
    if all(feature.name is None for feature in traits.features):
        if len(traits.features) != len(names):
            return
        positions = {str(at): at for at in range(len(names))}
    for number in sorted({*traits.by_set, *traits.by_threshold}):
        feature = traits.features[number]
        name = str(number) if feature.name is None else feature.name
        position = positions.get(name)
        if name in expressions:
            continue
        if position is None:
            if name in traits.names_of(tuple(context.raw)):
                yield Evidence("raw", f"{name!r} is a raw column only")
        elif context.raw and context.encoded[position] not in context.raw:
            yield Evidence("encoded", f"{name!r} is an encoded column only")
        elif position < len(context.dense):
            yield from _of_dense(
                context.encoded[position], feature, context.dense[position], number in traits.by_set
            )
        elif position >= context.inputs.dense:
            cardinality = context.inputs.cardinalities[position - context.inputs.dense]
            yield from _of_sparse(context.encoded[position], feature, cardinality)


def _of_dense(name: str, feature: Feature, column: DenseColumn, by_set: bool) -> Iterator[Evidence]:
    if feature.categories is not None or by_set:
        yield Evidence("raw", f"{name!r} has categories, but its encoded column has fractions")
        return
    if feature.least is None or feature.most is None or column.constant:
        return
    span = f"{feature.least:g} to {feature.most:g}"
    if feature.least < -ROUNDING or feature.most > 1 + ROUNDING:
        yield Evidence("raw", f"{name!r} goes from {span}, the encoded column from 0 to 1")
        return
    raw = np.asarray(column.quantiles)
    if feature.least < feature.most and len(raw) and np.mean((raw < 0) | (raw > 1)) > 0.75:
        yield Evidence(
            "encoded",
            f"{name!r} goes from {span}, the raw column from {column.minimum:g} to "
            f"{column.maximum:g}",
        )


def _of_sparse(name: str, feature: Feature, cardinality: int) -> Iterator[Evidence]:
    ids = f"the encoded column ids from 0 to {cardinality - 1}"
    for each in feature.categories or ():
        if not isinstance(each, int) or not 0 <= each < cardinality:
            yield Evidence("raw", f"{name!r} has the category {each!r}, {ids}")
            return
    if feature.categories is not None or feature.least is None or feature.most is None:
        return
    if feature.least < -ROUNDING or feature.most > cardinality - 1 + ROUNDING:
        yield Evidence("raw", f"{name!r} goes from {feature.least:g} to {feature.most:g}, {ids}")


def _reasons(found: Sequence[Evidence]) -> str:
    """The first reasons of each kind, as one text."""
    shown: list[str] = []
    for kind in ("raw", "encoded"):
        shown += [each.reason for each in found if each.columns == kind][:SHOWN]
    return "; ".join(shown)


def _contradiction(
    traits: Traits, trained_on: str, entry: str, found: Sequence[Evidence]
) -> ModelFileError:
    kind = "raw" if entry == "encoded" else "encoded"
    return ModelFileError(
        f"this model was trained on {trained_on}",
        where=traits.file,
        got=f"columns: {entry}, but {_reasons([each for each in found if each.columns == kind])}",
        next_step=f"write columns: {kind} in its entry of fusion.pool"
        + (", or train on the processed columns" if kind == "raw" else ""),
    )
