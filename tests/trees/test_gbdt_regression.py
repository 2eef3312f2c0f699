"""Boosting of regression tasks, beside a binary one."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import mean_squared_error, r2_score
from threadpoolctl import threadpool_limits
from torch import Tensor

from emm.core.errors import DataError
from emm.data.tables.rows import RowTensors
from emm.metrics.ranking import auc
from emm.trees.gbdt import GradientBoosting, Iteration, Run, fit, grow
from tests.trees.test_gbdt import BOOSTING, INPUTS, make_table

QUICK = replace(BOOSTING, max_iterations=3, patience=1)


def mixed(rows: int, seed: int) -> RowTensors:
    """A binary task, and a value that follows a dense column and a set of ids, with noise."""
    table = make_table(rows, seed)
    noise = torch.randn(rows, generator=torch.Generator().manual_seed(seed + 10))
    value = 3 * table.dense[:, 0] + (table.sparse[:, 0] % 2) + 0.3 * noise
    labels = torch.stack([table.labels[:, 0].float(), value], dim=1)
    return replace(table, labels=labels, kinds=("binary", "regression"))


TRAIN, VALIDATION = mixed(800, 0), mixed(400, 1)
Trained = tuple[GradientBoosting, list[Run]]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """On so few rows, threads that wait for each other on busy cores cost most of the time."""
    with threadpool_limits(1, user_api="openmp"):
        yield


@pytest.fixture(scope="module")
def trained() -> Trained:
    return fit(TRAIN, VALIDATION, INPUTS, BOOSTING, seed=0)


def outputs(model: GradientBoosting, table: RowTensors) -> Tensor:
    return model.decision(table.dense, table.sparse)


def best(run: Run) -> Iteration:
    (found,) = (each for each in run.iterations if each.iteration == run.best_iteration)
    return found


def test_the_trees_kept_have_the_r_squared_of_the_best_iteration(trained: Trained):
    model, runs = trained
    expected = r2_score(VALIDATION.labels[:, 1], outputs(model, VALIDATION)[:, 1])
    assert best(runs[1]).score == pytest.approx(expected, abs=1e-12)
    assert expected > 0.8


def test_the_train_loss_is_the_mean_squared_error(trained: Trained):
    model, runs = trained
    expected = mean_squared_error(TRAIN.labels[:, 1], outputs(model, TRAIN)[:, 1])
    assert best(runs[1]).train_loss == pytest.approx(expected, rel=1e-12)


def test_no_iteration_is_better_and_patience_trees_follow(trained: Trained):
    run = trained[1][1]
    last = run.iterations[-1].iteration
    assert last in (BOOSTING.max_iterations, run.best_iteration + BOOSTING.patience)
    assert max(each.score for each in run.iterations) == best(run).score


def test_the_sum_of_the_trees_is_scikit_learns_prediction():
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


def test_the_baseline_is_the_mean_by_the_rows_weights():
    weights = 1 + TRAIN.dense[:, 1]
    model = grow(replace(TRAIN, weights=weights), INPUTS, QUICK, [1, 1], seed=0)
    expected = np.average(TRAIN.labels[:, 1].double(), weights=weights.double())
    assert model.get_submodule("ensembles.1").baseline.item() == pytest.approx(expected, rel=1e-6)


def test_growing_a_number_of_trees_gives_those_of_the_fit(trained: Trained):
    model, runs = trained
    twin = grow(TRAIN, INPUTS, BOOSTING, [run.best_iteration for run in runs], seed=0)
    assert twin.arguments() == model.arguments()
    assert all(torch.equal(a, b) for a, b in zip(twin.buffers(), model.buffers(), strict=True))


def test_a_binary_task_beside_it_is_boosted_as_alone(trained: Trained):
    own = [
        replace(table, labels=table.labels[:, :1].byte(), kinds=()) for table in (TRAIN, VALIDATION)
    ]
    alone, runs = fit(own[0], own[1], INPUTS, BOOSTING, seed=0)
    model, mixed_runs = trained
    assert runs == mixed_runs[:1]
    assert torch.equal(outputs(alone, VALIDATION)[:, 0], outputs(model, VALIDATION)[:, 0])


def test_a_binary_task_beside_it_is_scored_by_the_auc(trained: Trained):
    model, runs = trained
    expected = auc(outputs(model, VALIDATION)[:, 0], VALIDATION.labels[:, 0])
    assert best(runs[0]).score == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_labels_of_one_value_are_an_error(split: str):
    tables = {"train": TRAIN, "validation": VALIDATION}
    labels = tables[split].labels.clone()
    labels[:, 1] = 0.7
    tables[split] = replace(tables[split], labels=labels)
    with pytest.raises(DataError, match="of one value") as caught:
        fit(tables["train"], tables["validation"], INPUTS, QUICK, seed=0)
    assert f"task 1 in {split}" in str(caught.value)
