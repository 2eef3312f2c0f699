"""Metrics of a task of several classes against scikit-learn's."""

import pytest
import torch
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.metrics import log_loss as sklearn_log_loss
from torch import Tensor

from emm.core.errors import DataError
from emm.metrics.calibration import expected_calibration_error
from emm.metrics.classes import (
    accuracy,
    class_log_loss,
    macro_auc,
    prevalence_auc,
    top_label_error,
)
from emm.metrics.ranking import auc

ROWS, CLASSES = 400, 4


@pytest.fixture
def labels() -> Tensor:
    """[N] float32, with rare class 3."""
    shares = torch.tensor([0.5, 0.3, 0.17, 0.03])
    return shares.multinomial(ROWS, replacement=True, generator=_generator(0)).float()


@pytest.fixture
def logits(labels: Tensor) -> Tensor:
    """[N, C]."""
    noise = torch.randn(ROWS, CLASSES, generator=_generator(1))
    return torch.nn.functional.one_hot(labels.long(), CLASSES) + noise


def test_the_macro_auc_is_that_of_scikit_learn(logits: Tensor, labels: Tensor) -> None:
    expected = roc_auc_score(labels, logits.double().softmax(1), multi_class="ovr")
    assert macro_auc(logits, labels) == pytest.approx(expected, abs=1e-12)


def test_the_weighted_auc_is_that_of_scikit_learn(logits: Tensor, labels: Tensor) -> None:
    probabilities = logits.double().softmax(1)
    expected = roc_auc_score(labels, probabilities, multi_class="ovr", average="weighted")
    assert prevalence_auc(logits, labels) == pytest.approx(expected, abs=1e-12)


def test_log_loss_and_accuracy_are_those_of_scikit_learn(logits: Tensor, labels: Tensor) -> None:
    expected = sklearn_log_loss(labels, logits.double().softmax(1))
    assert class_log_loss(logits, labels) == pytest.approx(expected, rel=1e-12)
    expected = accuracy_score(labels, logits.argmax(1))
    assert accuracy(logits, labels) == pytest.approx(expected, rel=1e-12)


def test_the_calibration_error_is_that_of_the_confidence_in_the_predicted_class(
    logits: Tensor, labels: Tensor
) -> None:
    confidence, predicted = logits.double().softmax(1).max(1)
    right = predicted == labels
    expected = expected_calibration_error(confidence.logit(), right, 7)
    assert top_label_error(logits, labels, 7) == pytest.approx(expected, rel=1e-9)


def test_certain_and_right_predictions_are_calibrated() -> None:
    labels = torch.tensor([0, 1, 2])
    certain = 1000 * torch.nn.functional.one_hot(labels, 3).float()
    assert top_label_error(certain, labels) == 0
    assert class_log_loss(certain, labels) == 0


def test_two_classes_have_the_auc_of_the_difference_of_their_logits() -> None:
    logits = torch.randn(ROWS, 2, generator=_generator(2))
    labels = (torch.rand(ROWS, generator=_generator(3)) < 0.4).long()
    expected = auc((logits[:, 1] - logits[:, 0]).double(), labels)
    assert macro_auc(logits, labels) == pytest.approx(expected, abs=1e-12)


def test_a_class_that_does_not_occur_is_left_out_of_the_mean(
    logits: Tensor, labels: Tensor
) -> None:
    kept = labels != 3
    scores = logits.double().softmax(1)
    expected = [roc_auc_score(labels[kept] == c, scores[kept, c]) for c in range(3)]
    assert macro_auc(logits[kept], labels[kept]) == pytest.approx(sum(expected) / 3, abs=1e-12)


def test_labels_of_one_class_have_no_auc(logits: Tensor, labels: Tensor) -> None:
    one = labels == 2
    with pytest.raises(DataError, match="all labels are of one class"):
        macro_auc(logits[one], labels[one])


def test_a_label_that_is_no_class_is_an_error(logits: Tensor, labels: Tensor) -> None:
    labels[5] = CLASSES
    with pytest.raises(DataError, match="got: 4 in 1 of 400 rows"):
        macro_auc(logits, labels)


def test_a_prediction_that_is_no_number_is_an_error(logits: Tensor, labels: Tensor) -> None:
    logits[7, 0] = float("nan")
    with pytest.raises(DataError, match="NaN or infinity in 1 of 400 rows"):
        macro_auc(logits, labels)


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
