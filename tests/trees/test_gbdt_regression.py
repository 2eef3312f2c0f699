"""Boosting of regression tasks, next to a binary one."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import mean_squared_error, r2_score

from emm.core.errors import DataError
from emm.data.tables.rows import RowTensors
from emm.metrics.ranking import auc
from emm.trees.gbdt import fit, grow
from tests.trees.boosted import Trained, best, outputs
from tests.trees.test_gbdt import BOOSTING, INPUTS, make_rows

QUICK = replace(BOOSTING, max_iterations=3, patience=1)


def mixed(count: int, seed: int) -> RowTensors:
    """A binary task, and a value that depends on a dense column and a set of ids, with noise."""
    rows = make_rows(count, seed)
    noise = torch.randn(count, generator=torch.Generator().manual_seed(seed + 10))
    value = 3 * rows.dense[:, 0] + (rows.sparse[:, 0] % 2) + 0.3 * noise
    labels = torch.stack([rows.labels[:, 0].float(), value], dim=1)
    return replace(rows, labels=labels, kinds=("binary", "regression"))


TRAIN, VALIDATION = mixed(800, 0), mixed(400, 1)


@pytest.fixture(scope="module")
def trained() -> Trained:
    return fit(TRAIN, VALIDATION, INPUTS, BOOSTING, seed=0)


def test_the_trees_kept_have_the_r_squared_of_the_best_iteration(trained: Trained):
    model, histories = trained
    expected = r2_score(VALIDATION.labels[:, 1], outputs(model, VALIDATION)[:, 1])
    assert best(histories[1]).score == pytest.approx(expected, abs=1e-12)
    assert expected > 0.8


def test_the_train_loss_is_the_mean_squared_error(trained: Trained):
    model, histories = trained
    expected = mean_squared_error(TRAIN.labels[:, 1], outputs(model, TRAIN)[:, 1])
    assert best(histories[1]).train_loss == pytest.approx(expected, rel=1e-12)


def test_boosting_stops_patience_trees_after_the_best_iteration(trained: Trained):
    history = trained[1][1]
    last = history.iterations[-1].iteration
    assert last in (BOOSTING.max_iterations, history.best_iteration + BOOSTING.patience)
    assert max(each.score for each in history.iterations) == best(history).score


def test_the_sum_of_the_trees_is_the_prediction_of_scikit_learn():
    columns = torch.cat([TRAIN.dense.double(), TRAIN.sparse.double()], dim=1).numpy()
    peer = HistGradientBoostingRegressor(
        learning_rate=0.1,
        max_iter=7,
        max_leaf_nodes=8,
        min_samples_leaf=10,
        categorical_features=[False, False, True, False],
        early_stopping=False,
    ).fit(columns, TRAIN.labels[:, 1].numpy())
    ours = outputs(grow(TRAIN, INPUTS, BOOSTING, [1, 7], seed=0), TRAIN)[:, 1]
    np.testing.assert_allclose(ours, peer.predict(columns), rtol=0, atol=1e-12)


def test_the_baseline_is_the_weighted_mean():
    weights = 1 + TRAIN.dense[:, 1]
    model = grow(replace(TRAIN, weights=weights), INPUTS, QUICK, [1, 1], seed=0)
    expected = np.average(TRAIN.labels[:, 1].double(), weights=weights.double())
    assert model.get_submodule("ensembles.1").baseline.item() == pytest.approx(expected, rel=1e-6)


def test_grow_makes_the_trees_of_the_fit(trained: Trained):
    model, histories = trained
    twin = grow(TRAIN, INPUTS, BOOSTING, [history.best_iteration for history in histories], seed=0)
    assert twin.arguments() == model.arguments()
    assert all(torch.equal(a, b) for a, b in zip(twin.buffers(), model.buffers(), strict=True))


def test_a_regression_task_does_not_change_a_binary_task(trained: Trained):
    binary_only = [
        replace(rows, labels=rows.labels[:, :1].byte(), kinds=()) for rows in (TRAIN, VALIDATION)
    ]
    single, histories = fit(binary_only[0], binary_only[1], INPUTS, BOOSTING, seed=0)
    model, mixed_histories = trained
    assert histories == mixed_histories[:1]
    assert torch.equal(outputs(single, VALIDATION)[:, 0], outputs(model, VALIDATION)[:, 0])


def test_a_binary_task_next_to_it_is_scored_by_the_auc(trained: Trained):
    model, histories = trained
    expected = auc(outputs(model, VALIDATION)[:, 0], VALIDATION.labels[:, 0])
    assert best(histories[0]).score == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_equal_labels_are_an_error(split: str):
    splits = {"train": TRAIN, "validation": VALIDATION}
    labels = splits[split].labels.clone()
    labels[:, 1] = 0.7
    splits[split] = replace(splits[split], labels=labels)
    with pytest.raises(DataError, match="all labels are equal") as caught:
        fit(splits["train"], splits["validation"], INPUTS, QUICK, seed=0)
    assert f"task 1 in {split}" in str(caught.value)
