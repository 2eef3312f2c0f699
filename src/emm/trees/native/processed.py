"""Trees that were trained on the processed columns, as a `TreeEnsemble` on them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from emm.core.errors import ModelFileError, nearest
from emm.nn.inputs import Inputs
from emm.trees.forest import TreeEnsemble
from emm.trees.native.files import Array, damaged, unsupported
from emm.trees.native.nodes import NativeTrees
from emm.trees.native.place import IdSet, Placement, assemble, float32_below
from emm.trees.native.xgboost_features import refuse_unlisted

DEFAULT_NAMES = ("Column_", "f")  # of LightGBM and XGBoost, followed by the position


def on_processed_columns(
    native: NativeTrees, inputs: Inputs, columns: Sequence[str], names: Sequence[str]
) -> TreeEnsemble:
    """The ensemble on D + F ``columns``, which the file knows by ``names``.

    Raises ModelFileError if a feature matches no column or two, and for splits by sets that its
    column can't have.
    """
    refuse_unlisted(native)
    features = feature_columns(native, columns, names)
    ids = {
        number: ids_of_categories(native.file, columns[features[number]], feature.categories)
        for number, feature in enumerate(native.features)
        if feature.categories is not None
    }
    cardinalities = {
        int(feature): _cardinality(native.file, inputs, columns, int(features[feature]))
        for feature in native.used(sets=True)
    }
    for feature, known in ids.items():
        if feature in cardinalities:
            _check_ids(native.file, columns[features[feature]], known, cardinalities[feature])

    def id_set(feature: int, codes: Array, missing_left: bool) -> IdSet:
        known = ids.get(feature)
        if known is None:
            _check_ids(native.file, columns[features[feature]], codes, cardinalities[feature])
            return IdSet(np.unique(codes), native.others_left)
        return _id_set(native, known, codes, missing_left)

    placement = Placement(
        inputs,
        features,
        features,
        lambda _, threshold: float32_below(threshold, native.zero),
        id_set,
    )
    return assemble(placement, native.trees, native.baseline, native.outputs)


def feature_columns(native: NativeTrees, columns: Sequence[str], names: Sequence[str]) -> Array:
    """The column that each feature reads: positions in ``columns``, int64.

    Features are matched by name, with ``names``. If they have none, or all have default ones, there
    must be one feature per column, in the same order. Raises ModelFileError if a feature matches no
    column or two.
    """
    file, found = native.file, [feature.name for feature in native.features]
    positions = {name: position for position, name in enumerate(names)}
    unknown = [name for name in found if name not in positions]
    if unknown and all(_is_default(name, position) for position, name in enumerate(found)):
        return _columns_in_order(file, len(found), len(columns))
    if unknown:
        raise unsupported(
            file,
            f"reads a feature that isn't among the columns: {unknown[0]!r}",
            got=f"{unknown[0]!r}; {nearest(str(unknown[0]), names)}",
            expected="the names of the processed columns",
            next_step="train on the processed columns, or write columns: raw, if the model was "
            "trained on raw columns",
        )
    if len(set(found)) < len(found):
        raise damaged(file, "two features have the same name")
    for name in found:
        alike = [column for column, other in zip(columns, names, strict=True) if other == name]
        if len(alike) > 1:
            raise unsupported(
                file,
                f"reads a feature that may be any of several columns: {name!r}",
                got=", ".join(map(repr, alike)),
                expected="one column; LightGBM writes underscores for blanks",
                next_step="rename one of these columns, and train again",
            )
    return np.array([positions[str(name)] for name in found], dtype=np.int64)


def ids_of_categories(file: Path, column: str, categories: object) -> Array:
    """The id of each category code of a data frame's categorical column, int64.

    A library stores the column's categories, and its trees split on positions in this list. Raises
    ModelFileError unless the categories are distinct integers.
    """
    try:
        values = np.asarray(categories)
        if values.ndim == 1 and (not len(values) or values.dtype.kind in "iuf"):
            ids = values.astype(np.int64)
            if (ids == values).all() and len(np.unique(ids)) == len(ids):
                return ids
    except (OverflowError, TypeError, ValueError) as error:
        raise _not_ids(file, column) from error
    raise _not_ids(file, column)


def _id_set(native: NativeTrees, known: Array, codes: Array, missing_left: bool) -> IdSet:
    """The set of ids of a split on ``codes``, positions in ``known``. Other ids count as missing.

    Raises ModelFileError if a code isn't such a position.
    """
    if len(codes) and not (codes.min() >= 0 and codes.max() < len(known)):
        raise damaged(
            native.file, "a set contains a category that is missing in the list of categories"
        )
    left = np.full(len(known), native.others_left)
    left[codes] = not native.others_left
    return IdSet(np.sort(known[left != missing_left]), missing_left)


def _cardinality(file: Path, inputs: Inputs, columns: Sequence[str], column: int) -> int:
    """Ids of the sparse field at ``column``. Raises ModelFileError if it is a dense column."""
    if column >= inputs.dense:
        return inputs.cardinalities[column - inputs.dense]
    raise unsupported(
        file,
        f"splits the column {columns[column]!r} by sets of values",
        got="a dense feature",
        expected="a sparse field",
        next_step="write columns: raw, if the model was trained on raw columns, or train again "
        "with this column as a numerical feature",
    )


def _check_ids(file: Path, column: str, ids: Array, cardinality: int) -> None:
    if len(ids) and not (ids.min() >= 0 and ids.max() < cardinality):
        raise unsupported(
            file,
            f"splits on ids of {column!r} that the data doesn't have",
            got=f"id {ids.max() if ids.max() >= cardinality else ids.min()}",
            expected=f"ids 0 to {cardinality - 1}",
            next_step="train on the data of this schema.json, or write columns: raw, if the model "
            "was trained on raw columns",
        )


def _is_default(name: str | None, position: int) -> bool:
    return name is None or name in [f"{start}{position}" for start in DEFAULT_NAMES]


def _columns_in_order(file: Path, features: int, columns: int) -> Array:
    if features != columns:
        raise unsupported(
            file,
            "has unnamed features, and not one for each column",
            got=f"{features} features",
            expected=f"{columns}: the dense columns, then the sparse ones",
            next_step="train on all processed columns, or on a table with their names",
        )
    return np.arange(features)


def _not_ids(file: Path, column: str) -> ModelFileError:
    return unsupported(
        file,
        f"has categories of {column!r} that are not ids",
        got="text or other values",
        expected="the int32 ids of the processed data",
        next_step="write columns: raw, if the model was trained on raw columns, or train on the "
        "processed columns",
    )
