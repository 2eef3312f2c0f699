from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from emm.core.errors import EmmError
from emm.nn.inputs import Inputs
from emm.trees.forest import TreeEnsemble, categorical_fields
from emm.trees.sklearn_trees import from_sklearn

ROWS = 600
INPUTS = Inputs(dense=3, cardinalities=(4, 300, 255, 30))
Array = NDArray[np.float64]


def make_rows(inputs: Inputs, seed: int, seen: float = 1.0) -> tuple[Array, NDArray[np.uint8]]:
    """Columns [ROWS, D + F] with many ties and missing dense values, and labels that depend on all.

    Only the share ``seen`` of each field's ids occurs, from the lowest on, without id 0 if < 1.
    """
    random = np.random.default_rng(seed)
    dense = random.integers(0, 9, (ROWS, inputs.dense)).astype(np.float32) / 7
    dense[random.random(dense.shape) < 0.1] = np.nan
    tops = [max(2, int(size * seen)) for size in inputs.cardinalities]
    first = 1 if seen < 1 else 0
    sparse = np.stack([random.integers(first, top, ROWS) for top in tops], axis=1)
    columns = np.concatenate([dense.astype(np.float64), sparse.astype(np.float64)], axis=1)
    score = np.nan_to_num(dense, nan=1.0).sum(1) + np.sin(7.0 * sparse).sum(1)
    return columns, (score + random.normal(size=ROWS) > np.median(score)).astype(np.uint8)


def fitted(
    inputs: Inputs, columns: Array, labels: NDArray[np.uint8]
) -> HistGradientBoostingClassifier:
    estimator = HistGradientBoostingClassifier(
        max_iter=12,
        max_leaf_nodes=15,
        min_samples_leaf=5,
        categorical_features=[False] * inputs.dense + categorical_fields(inputs),
        early_stopping=False,
    )
    return estimator.fit(columns, labels)


def decision(ensemble: TreeEnsemble, inputs: Inputs, columns: Array) -> Array:
    dense = torch.tensor(columns[:, : inputs.dense], dtype=torch.float32)
    sparse = torch.tensor(columns[:, inputs.dense :], dtype=torch.int32)
    return ensemble.decision(dense, sparse).numpy()


@pytest.mark.parametrize(
    "inputs",
    [
        INPUTS,
        Inputs(dense=0, cardinalities=(4, 255)),
        Inputs(dense=2, cardinalities=(300,)),
    ],
    ids=["mixed", "categorical only", "ordered only"],
)
def test_equals_scikit_learn_on_the_rows_it_was_fitted_on(inputs: Inputs):
    columns, labels = make_rows(inputs, seed=0)
    estimator = fitted(inputs, columns, labels)
    ours = decision(from_sklearn(estimator, inputs, 12), inputs, columns)
    np.testing.assert_allclose(ours, estimator.decision_function(columns), rtol=0, atol=1e-12)


def test_ids_unseen_in_training_go_where_scikit_learn_sends_them():
    estimator = fitted(INPUTS, *make_rows(INPUTS, seed=0, seen=0.5))
    columns, _ = make_rows(INPUTS, seed=1)
    ours = decision(from_sklearn(estimator, INPUTS, 12), INPUTS, columns)
    np.testing.assert_allclose(ours, estimator.decision_function(columns), rtol=0, atol=1e-12)


def test_ids_beyond_the_cardinality_go_where_scikit_learn_sends_them():
    estimator = fitted(INPUTS, *make_rows(INPUTS, seed=0))
    columns, _ = make_rows(INPUTS, seed=1)
    columns[:, INPUTS.dense :] += 200
    ours = decision(from_sklearn(estimator, INPUTS, 12), INPUTS, columns)
    np.testing.assert_allclose(ours, estimator.decision_function(columns), rtol=0, atol=1e-12)


def test_values_at_a_threshold_go_to_the_same_side():
    inputs = Inputs(dense=1, cardinalities=())
    values = np.random.default_rng(0).random((ROWS, 1)).astype(np.float32)
    estimator = fitted(inputs, values.astype(np.float64), (values[:, 0] > 0.5).astype(np.uint8))
    edges = estimator._bin_mapper.bin_thresholds_[0].astype(np.float32)
    neighbours = [np.nextafter(edges, np.float32(side)) for side in (0, 1)]
    columns = np.concatenate([edges, *neighbours]).astype(np.float64)[:, None]
    ours = decision(from_sklearn(estimator, inputs, 12), inputs, columns)
    np.testing.assert_allclose(ours, estimator.decision_function(columns), rtol=0, atol=1e-12)


@pytest.mark.parametrize("iterations", [1, 5])
def test_the_first_trees_equal_the_staged_decision(iterations: int):
    columns, labels = make_rows(INPUTS, seed=0)
    estimator = fitted(INPUTS, columns, labels)
    stages = list(estimator.staged_decision_function(columns))
    ours = decision(from_sklearn(estimator, INPUTS, iterations), INPUTS, columns)
    np.testing.assert_allclose(ours, stages[iterations - 1], rtol=0, atol=1e-12)


def test_trees_without_a_split_are_leaves():
    columns = np.zeros((ROWS, 2))
    labels = (np.arange(ROWS) % 3 == 0).astype(np.uint8)
    inputs = Inputs(dense=1, cardinalities=(4,))
    ensemble = from_sklearn(fitted(inputs, columns, labels), inputs, 12)
    np.testing.assert_allclose(decision(ensemble, inputs, columns), np.log(0.5), atol=1e-12)


def without_field(field: str) -> SimpleNamespace:
    dtype = [(name, "f8") for name in ("value", "left", "right") if name != field]
    tree = SimpleNamespace(nodes=np.zeros(1, dtype), raw_left_cat_bitsets=np.zeros((0, 8)))
    return SimpleNamespace(_predictors=[[tree]])


@pytest.mark.parametrize("estimator", [SimpleNamespace(), without_field("left")])
def test_an_unknown_layout_names_the_version(estimator: SimpleNamespace):
    with pytest.raises(EmmError, match=r"where: scikit-learn \d"):
        from_sklearn(estimator, INPUTS, 1)
