"""Which score a task of each kind has."""

import pytest
import torch
from sklearn.metrics import r2_score, roc_auc_score
from torch import Tensor

from emm.metrics.scores import score, scores

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


def test_each_column_is_scored_by_its_kind(labels: Tensor, predictions: Tensor) -> None:
    kinds = ("binary", "regression")
    each = zip(kinds, predictions[0].unbind(1), labels.unbind(1), strict=True)
    assert scores(predictions[0], labels, kinds) == tuple(score(*column) for column in each)


def test_without_kinds_all_tasks_are_binary(labels: Tensor, predictions: Tensor) -> None:
    twice = labels[:, [0, 0]]
    found = scores(predictions[0], twice)
    assert found == tuple(score("binary", predictions[0, :, t], twice[:, t]) for t in range(2))
