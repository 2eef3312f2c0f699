"""Metrics with weights of rows against scikit-learn's, and against repeated rows."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn import metrics as sklearn
from torch import Tensor

from emm.core.errors import DataError
from emm.metrics.calibration import expected_calibration_error, log_loss
from emm.metrics.classes import (
    accuracy,
    class_log_loss,
    macro_auc,
    prevalence_auc,
    top_label_error,
)
from emm.metrics.ranking import auc
from emm.metrics.regression import mean_absolute_error, r_squared, root_mean_squared_error
from emm.metrics.tasks import task_metrics

ROWS, CLASSES = 300, 3
METRICS = {
    "binary": (auc, log_loss, expected_calibration_error),
    "classes": (accuracy, class_log_loss, macro_auc, prevalence_auc, top_label_error),
    "regression": (r_squared, root_mean_squared_error, mean_absolute_error),
}
EVERY = [(kind, metric) for kind, found in METRICS.items() for metric in found]


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def weights(generator: torch.Generator) -> Tensor:
    """[N] float32, some of them 0."""
    return (3 * torch.rand(ROWS, generator=generator) - 0.3).clamp(min=0)


@pytest.fixture
def rows(generator: torch.Generator) -> dict[str, tuple[Tensor, Tensor]]:
    """Predictions with ties and labels by kind of task."""
    value = torch.randn(ROWS, generator=generator)
    noisy = ((value + torch.randn(ROWS, generator=generator)) * 4).round() / 4
    classes = torch.randint(CLASSES, (ROWS,), generator=generator)
    logits = torch.nn.functional.one_hot(classes, CLASSES) + torch.randn(
        ROWS, CLASSES, generator=generator
    )
    return {
        "binary": (noisy, (value > 0.5).float()),
        "classes": (logits, classes.float()),
        "regression": (noisy, value),
    }


@pytest.mark.parametrize(("kind", "metric"), EVERY)
def test_a_whole_weight_is_a_number_of_equal_rows(
    rows: dict[str, tuple[Tensor, Tensor]],
    generator: torch.Generator,
    kind: str,
    metric: Callable[..., float],
) -> None:
    predictions, labels = rows[kind]
    counts = torch.randint(4, (ROWS,), generator=generator)
    repeated = metric(predictions.repeat_interleave(counts, 0), labels.repeat_interleave(counts))
    assert metric(predictions, labels, weights=counts.float()) == pytest.approx(repeated, rel=1e-12)


def test_the_metrics_of_a_binary_task_are_those_of_scikit_learn(
    rows: dict[str, tuple[Tensor, Tensor]], weights: Tensor
) -> None:
    logits, labels = rows["binary"]
    found = task_metrics("binary", logits[None], labels, bins=5, weights=weights)
    probabilities = logits.double().sigmoid()
    expected = sklearn.roc_auc_score(labels, logits, sample_weight=weights)
    assert found["auc"] == pytest.approx([expected], abs=1e-12)
    expected = sklearn.log_loss(labels, probabilities, sample_weight=weights)
    assert found["logloss"] == pytest.approx([expected], rel=1e-6)


def test_the_metrics_of_a_task_of_classes_are_those_of_scikit_learn(
    rows: dict[str, tuple[Tensor, Tensor]], weights: Tensor
) -> None:
    logits, labels = rows["classes"]
    found = task_metrics("classes", logits[None], labels, bins=5, weights=weights)
    probabilities = logits.double().softmax(1)
    for key, average in (("auc", "macro"), ("auc_weighted", "weighted")):
        expected = sklearn.roc_auc_score(
            labels, probabilities, multi_class="ovr", average=average, sample_weight=weights
        )
        assert found[key] == pytest.approx([expected], abs=1e-6)
    expected = sklearn.log_loss(labels, probabilities, sample_weight=weights)
    assert found["logloss"] == pytest.approx([expected], rel=1e-6)
    expected = sklearn.accuracy_score(labels, logits.argmax(1), sample_weight=weights)
    assert found["accuracy"] == pytest.approx([expected], rel=1e-6)


def test_the_metrics_of_a_regression_task_are_those_of_scikit_learn(
    rows: dict[str, tuple[Tensor, Tensor]], weights: Tensor
) -> None:
    predictions, labels = rows["regression"]
    found = task_metrics("regression", predictions[None], labels, bins=5, std=2, weights=weights)
    expected = sklearn.r2_score(labels, predictions, sample_weight=weights)
    assert found["r2"] == pytest.approx([expected], rel=1e-5)
    squared = sklearn.mean_squared_error(labels, predictions, sample_weight=weights)
    assert found["rmse"] == pytest.approx([2 * np.sqrt(squared)], rel=1e-5)
    absolute = sklearn.mean_absolute_error(labels, predictions, sample_weight=weights)
    assert found["mae"] == pytest.approx([2 * absolute], rel=1e-5)


@pytest.mark.parametrize(("kind", "metric"), EVERY)
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (torch.ones(ROWS - 1), "weights and rows don't match"),
        (torch.full((ROWS,), -1.0), "got: -1.0 in 300 of 300 rows"),
        (torch.full((ROWS,), torch.nan), "got: nan in 300 of 300 rows"),
        (torch.zeros(ROWS), "all rows have the weight 0"),
    ],
)
def test_unusable_weights_are_an_error(
    rows: dict[str, tuple[Tensor, Tensor]],
    kind: str,
    metric: Callable[..., float],
    weights: Tensor,
    message: str,
) -> None:
    with pytest.raises(DataError, match=message):
        metric(*rows[kind], weights=weights)


@pytest.mark.parametrize("metric", [auc, macro_auc, r_squared])
def test_a_score_is_undefined_if_rows_of_weight_have_one_label(
    metric: Callable[..., float],
) -> None:
    predictions, labels = torch.randn(4), torch.tensor([0.0, 0.0, 1.0, 1.0])
    predictions = torch.randn(4, 2) if metric is macro_auc else predictions
    with pytest.raises(DataError, match="is undefined: all labels"):
        metric(predictions, labels, weights=torch.tensor([0.0, 0.0, 1.0, 2.0]))
