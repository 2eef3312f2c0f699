"""Which metrics a task of each kind has."""

import pytest
import torch
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from torch import Tensor

from emm.metrics.calibration import expected_calibration_error, log_loss
from emm.metrics.evaluation import task_scores
from emm.metrics.ranking import auc

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


def test_the_metrics_of_a_binary_task(labels: Tensor, predictions: Tensor) -> None:
    logits, truth = predictions[:, :, 0], labels[:, 0]
    assert task_scores("binary", logits, truth, bins=7) == {
        "auc": [auc(one, truth) for one in logits],
        "logloss": [log_loss(one, truth) for one in logits],
        "ece": [expected_calibration_error(one, truth, 7) for one in logits],
    }


def test_the_metrics_of_a_regression_task_are_in_the_labels_own_units(
    labels: Tensor, predictions: Tensor
) -> None:
    mean, std = 500.0, 20.0
    standardised, truth = predictions[:, :, 1], labels[:, 1]
    found = task_scores("regression", standardised, truth, bins=7, std=std)
    own = [mean + std * one.double() for one in standardised]
    true = mean + std * truth.double()
    assert list(found) == ["r2", "rmse", "mae"]
    assert found["r2"] == pytest.approx([r2_score(true, one) for one in own], rel=1e-9)
    assert found["rmse"] == pytest.approx([root_mean_squared_error(true, x) for x in own], rel=1e-9)
    assert found["mae"] == pytest.approx([mean_absolute_error(true, x) for x in own], rel=1e-9)
