"""The score and the metrics of a task of each kind."""

import pytest
import torch
from sklearn.metrics import mean_absolute_error, r2_score, roc_auc_score, root_mean_squared_error
from torch import Tensor

from emm.metrics.calibration import expected_calibration_error, log_loss
from emm.metrics.classes import macro_auc
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


def test_a_task_of_classes_takes_as_many_predictions_as_it_has_outputs(
    labels: Tensor, predictions: Tensor
) -> None:
    classes = torch.randint(3, (ROWS,), generator=torch.Generator().manual_seed(2))
    logits = torch.randn(ROWS, 3, generator=torch.Generator().manual_seed(3))
    found = scores(
        torch.cat([predictions[0, :, :1], logits, predictions[0, :, 1:]], dim=1),
        torch.stack([labels[:, 0], classes, labels[:, 1]], dim=1),
        ("binary", "classes", "regression"),
        (1, 3, 1),
    )
    assert found == (
        score("binary", predictions[0, :, 0], labels[:, 0]),
        macro_auc(logits, classes),
        score("regression", predictions[0, :, 1], labels[:, 1]),
    )


def test_each_task_is_scored_over_its_labelled_rows(labels: Tensor, predictions: Tensor) -> None:
    kinds = ("binary", "regression")
    missing = labels.clone()
    missing[:100, 0] = missing[50:150, 1] = float("nan")
    kept = [torch.arange(100, ROWS), torch.cat([torch.arange(50), torch.arange(150, ROWS)])]
    assert scores(predictions[0], missing, kinds, partly_labelled=True) == tuple(
        score(kind, predictions[0, rows, t], labels[rows, t])
        for t, (kind, rows) in enumerate(zip(kinds, kept, strict=True))
    )
