"""A small boosted correction of a combination, by trees that read features and members' logits.

The trees are LightGBM's, grown from the combination's predictions on (its ``init_score``), and
become a `TreeEnsemble` on the features and, behind the dense ones, the logits.
"""

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emm.data.tables.schema import BINARY, CLASSES, REGRESSION
from emm.fusion.stacking.rows import TaskRows
from emm.nn.inputs import Inputs
from emm.trees.forest import CATEGORIES, TreeEnsemble
from emm.trees.native.files import Kind
from emm.trees.native.load import parse_native_trees
from emm.trees.native.processed import on_processed_columns

_OBJECTIVES = {BINARY: "binary", REGRESSION: "regression", CLASSES: "multiclass"}
_SETTINGS = {
    "num_leaves": 8,
    "learning_rate": 0.03,
    "lambda_l2": 10.0,
    "min_data_in_leaf": 100,
    # Sets of ids that few rows have would mostly fit their noise.
    "cat_smooth": 100.0,
    "cat_l2": 100.0,
    "max_cat_threshold": 8,
    "max_bin": 255,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 0,
    "verbosity": -1,
}

Booster = Any


def columns_of(inputs: Inputs, logits: int) -> Inputs:
    """What the trees read: the features, and ``logits`` columns behind the dense ones."""
    return replace(inputs, dense=inputs.dense + logits, edges=())


def logit_columns(logits: Tensor, others: Tensor | None) -> Tensor:
    """Logits [B, M, C] of the task's members and [B, Q] of others -> [B, M*C + Q]."""
    own = logits.flatten(1)
    return own if others is None else torch.cat([own, others], dim=1)


class Boosting:
    """Boosting from ``start`` [N, C] on, a round at a time.

    ``unseen``: rows on which the loss is measured, and their start.
    """

    def __init__(
        self, rows: TaskRows, start: Tensor, inputs: Inputs, unseen: tuple[TaskRows, Tensor]
    ) -> None:
        lightgbm: Any = import_module("lightgbm")
        training = _dataset(lightgbm, rows, start, inputs)
        settings = {
            **_SETTINGS,
            "objective": _OBJECTIVES[rows.kind],
            "num_threads": torch.get_num_threads(),
            **({"num_class": rows.outputs} if rows.kind == CLASSES else {}),
        }
        self.booster: Booster = lightgbm.Booster(settings, training)
        self.booster.add_valid(_dataset(lightgbm, *unseen, inputs, training), "unseen")

    def round(self) -> float:
        """Grow the next trees; returns the mean loss of the unseen rows."""
        self.booster.update()
        return float(self.booster.eval_valid()[0][2])


def corrections(booster: Booster, rows: TaskRows, inputs: Inputs, rounds: int) -> Tensor:
    """What the first ``rounds`` add to the predictions of rows: [N, C] float64."""
    raw = booster.predict(_matrix(rows, inputs), raw_score=True, num_iteration=rounds)
    return torch.from_numpy(np.asarray(raw, np.float64)).view(len(rows), rows.outputs)


def as_trees(booster: Booster, rows: TaskRows, inputs: Inputs, rounds: int) -> TreeEnsemble:
    """The first ``rounds`` as an ensemble that reads `columns_of`."""
    logits = rows.members * rows.outputs + rows.others.shape[1]
    names = _names(inputs, logits)
    with TemporaryDirectory() as folder:
        path = Path(folder, "residual.txt")
        booster.save_model(path, num_iteration=rounds)
        kind: Kind = "regression" if rows.kind == REGRESSION else "classifier"
        native = parse_native_trees(path, rows.outputs, kind)
    return on_processed_columns(native, columns_of(inputs, logits), names, native.names_of(names))


def _dataset(lightgbm: Any, rows: TaskRows, start: Tensor, inputs: Inputs, like: Any = None) -> Any:
    logits = rows.members * rows.outputs + rows.others.shape[1]
    names = _names(inputs, logits)
    fields = names[inputs.dense + logits :]
    small = [n for n, size in zip(fields, inputs.cardinalities, strict=True) if size <= CATEGORIES]
    return lightgbm.Dataset(
        _matrix(rows, inputs),
        rows.labels.numpy(),
        weight=None if rows.weights is None else rows.weights.numpy(),
        init_score=start.double().squeeze(1).numpy(),  # [N], or [N, C] of several classes
        feature_name=list(names),
        categorical_feature=small,
        reference=like,
    )


def _matrix(rows: TaskRows, inputs: Inputs) -> NDArray[np.float32]:
    """dense, logits and sparse columns, [N, D + L + F]; bags aren't read."""
    logits = logit_columns(rows.logits, rows.others)
    fields = rows.sparse[:, : len(inputs.cardinalities)]
    return torch.cat([rows.dense, logits, fields.float()], dim=1).numpy()


def _names(inputs: Inputs, logits: int) -> Sequence[str]:
    return (
        *(f"dense_{number}" for number in range(inputs.dense)),
        *(f"logit_{number}" for number in range(logits)),
        *(f"field_{number}" for number in range(len(inputs.cardinalities))),
    )
