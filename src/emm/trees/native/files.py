"""What the readers of tree files share: reading the file, matching its features, errors."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emm.core.errors import ModelFileError, nearest
from emm.nn.inputs import Inputs
from emm.trees.forest import CATEGORIES

LARGEST_FILE = 512 * 2**20  # bytes
Array = NDArray[Any]


@dataclass(frozen=True)
class TreeFile:
    """A file of trees, and the names of the processed columns: D dense ones, then F sparse ones."""

    path: Path
    inputs: Inputs
    columns: tuple[str, ...]


def content(file: TreeFile) -> bytes:
    """The bytes of the file. Raises ModelFileError if it is unreadable or larger than 512 MiB."""
    try:
        size = file.path.stat().st_size
        if size <= LARGEST_FILE:
            return file.path.read_bytes()
    except OSError as error:
        raise ModelFileError(
            f"the model file can't be read: {error.strerror}",
            where=file.path,
            next_step="check the path",
        ) from error
    raise unsupported(
        file,
        "is too large",
        got=f"{size} bytes",
        expected=f"at most {LARGEST_FILE}",
        next_step="save a model with fewer trees",
    )


def feature_columns(file: TreeFile, names: Sequence[str], default: str) -> Array:
    """The column that each feature of the file reads: positions in ``file.columns``, int64.

    Features are matched by name. If all names are default ones (``default`` and the position),
    there must be one feature per column, in the same order. Raises ModelFileError if a feature
    matches no column.
    """
    positions = {name: position for position, name in enumerate(file.columns)}
    unknown = [name for name in names if name not in positions]
    if not unknown:
        if len(set(names)) < len(names):
            raise damaged(file, "two features have the same name")
        return np.array([positions[name] for name in names], dtype=np.int64)
    if all(name == f"{default}{position}" for position, name in enumerate(names)):
        return columns_in_order(file, len(names))
    raise unsupported(
        file,
        f"reads a feature that isn't among the columns: {unknown[0]!r}",
        got=f"{unknown[0]!r}; {nearest(unknown[0], file.columns)}",
        expected="the names of the processed columns",
        next_step="train on the processed columns, or rename the feature in the file",
    )


def columns_in_order(file: TreeFile, features: int) -> Array:
    """Columns of unnamed features. Raises ModelFileError unless there is one feature per column."""
    if features != len(file.columns):
        raise unsupported(
            file,
            "has unnamed features, and not one for each column",
            got=f"{features} features",
            expected=f"{len(file.columns)}: the dense columns, then the sparse ones",
            next_step="train on all processed columns, or on a table with their names",
        )
    return np.arange(features)


def cardinality(file: TreeFile, column: int) -> int:
    """Ids of the sparse field at ``column``. Raises ModelFileError if it can't be split by sets."""
    field = column - file.inputs.dense
    ids = file.inputs.cardinalities[field] if field >= 0 else None
    if ids is None or ids > CATEGORIES:
        raise unsupported(
            file,
            f"splits the column {file.columns[column]!r} by sets of values",
            got="a dense feature" if ids is None else f"a field of {ids} ids",
            expected=f"a sparse field of at most {CATEGORIES} ids",
            next_step="train again with this column as a numerical feature",
        )
    return ids


def classifier(outputs: int) -> str:
    """How errors name the kind of model that has ``outputs`` logits."""
    return "a binary classifier" if outputs == 1 else f"a classifier of {outputs} classes"


def damaged(file: TreeFile, what: str) -> ModelFileError:
    """The error for a file that contradicts itself or its format."""
    return ModelFileError(
        f"the model file is damaged: {what}",
        where=file.path,
        next_step="copy the file again, or save the model again",
    )


def unsupported(
    file: TreeFile, what: str, *, got: object, expected: object, next_step: str
) -> ModelFileError:
    """The error for an intact file whose model can't be a `TreeEnsemble` on these columns."""
    return ModelFileError(
        f"the model file {what}", where=file.path, got=got, expected=expected, next_step=next_step
    )
