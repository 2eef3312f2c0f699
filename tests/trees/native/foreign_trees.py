"""Small data sets, and models that LightGBM and XGBoost train on them."""

from collections.abc import Sequence
from typing import Any

import lightgbm
import numpy as np
import torch
import xgboost
from numpy.typing import NDArray

from emm.nn.inputs import Inputs
from emm.trees.forest import TreeEnsemble

ROWS = 600
INPUTS = Inputs(dense=3, cardinalities=(4, 300, 255, 30))
NAMES = ("age", "weeks worked", "gains", "sex", "city", "job", "state")
SETS = (3, 5, 6)  # columns that may be split by sets of ids
QUIET = {"verbosity": -1, "num_threads": 1, "deterministic": True, "force_row_wise": True}
BINARY = {
    **QUIET,
    "objective": "binary",
    "num_leaves": 15,
    "min_data_in_leaf": 5,
    "min_data_per_group": 2,
    "cat_smooth": 1,
}
LOGISTIC = {"objective": "binary:logistic", "max_depth": 4, "nthread": 1, "max_cat_to_onehot": 5}
Array = NDArray[Any]


def make_rows(inputs: Inputs = INPUTS, seed: int = 0) -> tuple[Array, Array]:
    """Columns [ROWS, D + F] float32 with many ties, zeros and missing dense values, and labels."""
    random = np.random.default_rng(seed)
    dense = random.integers(-4, 5, (ROWS, inputs.dense)).astype(np.float32) / 7
    dense[random.random(dense.shape) < 0.1] = np.nan
    sparse = np.stack([random.integers(0, size, ROWS) for size in inputs.cardinalities], axis=1)
    columns = np.concatenate([dense, sparse.astype(np.float32)], axis=1)
    score = np.nan_to_num(dense, nan=1.0).sum(1) + np.sin(7.0 * sparse).sum(1)
    return columns, (score + random.normal(size=ROWS) > np.median(score)).astype(np.uint8)


def coded(columns: Array, ids: dict[int, list[int]]) -> Array:
    """``columns`` with the category codes of a data frame: positions in a column's ``ids``.

    A value that isn't among them becomes NaN.
    """
    codes = columns.copy()
    for column, known in ids.items():
        codes[:, column] = np.nan
        for code, number in enumerate(known):
            codes[columns[:, column] == number, column] = code
    return codes


def lightgbm_booster(
    columns: Array,
    labels: Array,
    sets: Sequence[int] = (),
    names: Sequence[str] | None = None,
    rounds: int = 12,
    **params: Any,
) -> lightgbm.Booster:
    data = lightgbm.Dataset(
        columns,
        labels,
        feature_name=list(names) if names else "auto",
        categorical_feature=list(sets),
        params=QUIET | {key: params[key] for key in ("linear_tree",) if key in params},
    )
    return lightgbm.train(BINARY | params, data, rounds)


def xgboost_matrix(
    columns: Array,
    labels: Array | None = None,
    sets: Sequence[int] = (),
    names: Sequence[str] | None = None,
) -> xgboost.DMatrix:
    return xgboost.DMatrix(
        columns,
        labels,
        feature_names=names,
        feature_types=["c" if column in sets else "q" for column in range(columns.shape[1])],
        enable_categorical=True,
        nthread=1,
    )


def xgboost_booster(data: xgboost.DMatrix, rounds: int = 12, **params: Any) -> xgboost.Booster:
    return xgboost.train(LOGISTIC | params, data, rounds)


def decision(ensemble: TreeEnsemble, columns: Array, inputs: Inputs = INPUTS) -> Array:
    dense = torch.tensor(columns[:, : inputs.dense], dtype=torch.float32)
    sparse = torch.tensor(columns[:, inputs.dense :].astype(np.int32))
    return ensemble.decision(dense, sparse).numpy()
