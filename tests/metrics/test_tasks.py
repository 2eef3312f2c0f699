"""The score and the metrics of a task of each kind."""

import pytest
import torch
from sklearn.metrics import mean_absolute_error, r2_score, roc_auc_score, root_mean_squared_error
from torch import Tensor

from emm.metrics.calibration import expected_calibration_error, log_loss
from emm.metrics.ranking import auc
from emm.metrics.tasks import score, scores, task_metrics

ROWS, SEEDS = 300, 2


@pytest.fixture
def labels() -> Tensor:
    """[N, 2] float32: a binary task's, a regression task's."""
    generator = torch.Generator().manual_seed(0)
    value = torch.randn(ROWS, generator=generator)
    return torch.stack([(value > 0.3).float(), value], dim=1)


@pytest.fixture
def predictions(labels: Tensor) -> Tensor:
    """[S, N, 2]."""
    generator = torch.Generator().manual_seed(1)
    return labels + torch.randn(SEEDS, ROWS, 2, generator=generator)


def test_a_binary_task_is_scored_by_its_auc(labels: Tensor, predictions: Tensor) -> None:
    expected = roc_auc_score(labels[:, 0], predictions[0, :, 0])
    assert score("binary", predictions[0, :, 0], labels[:, 0]) == pytest.approx(expected, abs=1e-12)


def test_a_regression_task_is_scored_by_r_squared(labels: Tensor, predictions: Tensor) -> None:
    expected = r2_score(labels[:, 1], predictions[0, :, 1])
    found = score("regression", predictions[0, :, 1], labels[:, 1])
    assert found == pytest.approx(expected, abs=1e-6)


def test_scores_are_by_the_kind_of_each_task(labels: Tensor, predictions: Tensor) -> None:
    kinds = ("binary", "regression")
    each = zip(kinds, predictions[0].unbind(1), labels.unbind(1), strict=True)
    assert scores(predictions[0], labels, kinds) == tuple(score(*column) for column in each)


def test_without_kinds_all_tasks_are_binary(labels: Tensor, predictions: Tensor) -> None:
    twice = labels[:, [0, 0]]
    found = scores(predictions[0], twice)
    assert found == tuple(score("binary", predictions[0, :, t], twice[:, t]) for t in range(2))


def test_the_metrics_of_a_binary_task(labels: Tensor, predictions: Tensor) -> None:
    logits, truth = predictions[:, :, 0], labels[:, 0]
    assert task_metrics("binary", logits, truth, bins=7) == {
        "auc": [auc(one, truth) for one in logits],
        "logloss": [log_loss(one, truth) for one in logits],
        "ece": [expected_calibration_error(one, truth, 7) for one in logits],
    }


def test_the_metrics_of_a_regression_task_are_in_the_labels_own_units(
    labels: Tensor, predictions: Tensor
) -> None:
    mean, std = 500.0, 20.0
    standardised, truth = predictions[:, :, 1], labels[:, 1]
    found = task_metrics("regression", standardised, truth, bins=7, std=std)
    rescaled = [mean + std * one.double() for one in standardised]
    true = mean + std * truth.double()
    assert list(found) == ["r2", "rmse", "mae"]
    assert found["r2"] == pytest.approx([r2_score(true, one) for one in rescaled], rel=1e-9)
    assert found["rmse"] == pytest.approx(
        [root_mean_squared_error(true, x) for x in rescaled], rel=1e-9
    )
    assert found["mae"] == pytest.approx([mean_absolute_error(true, x) for x in rescaled], rel=1e-9)
