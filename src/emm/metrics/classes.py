"""Metrics of tasks of several classes, from logits [N, C] and the numbers of the classes [N]."""

import torch
from torch import Tensor

from emm.core.errors import DataError
from emm.metrics.calibration import BINS, calibration_error
from emm.metrics.ranking import auc
from emm.metrics.weights import check_weights, mean, sums_by


def class_aucs(
    logits: Tensor, labels: Tensor, weights: Tensor | None = None
) -> dict[int, tuple[float, float]]:
    """One-vs-rest AUC of each class that occurs, and the number or total weight of its rows.

    The keys are the numbers of the classes. A row's score for a class is the class's log
    probability in float64. Raises DataError if fewer than two classes occur.

    Args:
        logits: [N, C].
        labels: [N].
        weights: of the rows, [N]; None weighs all equally.
    """
    check_classes(logits, labels)
    numbers = labels.long()
    if weights is None:
        rows = numbers.bincount(minlength=logits.shape[1]).tolist()
    else:
        check_weights(weights, len(labels))
        rows = sums_by(numbers, weights, logits.shape[1]).tolist()
    present = [number for number, count in enumerate(rows) if count]
    if len(present) < 2:
        raise DataError(
            "the AUC is undefined: all labels are of one class",
            got=f"the class with the number {present[0]} in {len(labels)} rows",
            expected="rows of at least two classes",
        )
    scores = log_probabilities(logits)
    return {
        number: (auc(scores[:, number], numbers == number, weights), rows[number])
        for number in present
    }


def macro_auc(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> float:
    """Mean of the one-vs-rest AUCs of the classes that occur; the arguments of `class_aucs`."""
    found = class_aucs(logits, labels, weights).values()
    return sum(each for each, _ in found) / len(found)


def prevalence_auc(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> float:
    """Mean of the one-vs-rest AUCs, weighted by the rows of each class; see `class_aucs`."""
    found = class_aucs(logits, labels, weights).values()
    return sum(each * rows for each, rows in found) / sum(rows for _, rows in found)


def class_log_loss(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> float:
    """Mean cross-entropy in nats of logits [N, C] and labels [N], computed in float64."""
    check_classes(logits, labels)
    gains = log_probabilities(logits).gather(1, labels.long().unsqueeze(1)).squeeze(1)
    return -mean(gains, weights)


def accuracy(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> float:
    """Share of rows whose label is the class with the largest logit; logits [N, C], labels [N]."""
    check_classes(logits, labels)
    return mean((logits.argmax(1) == labels).double(), weights)


def top_label_error(
    logits: Tensor, labels: Tensor, bins: int = BINS, weights: Tensor | None = None
) -> float:
    """Calibration error of the confidence in the predicted class; logits [N, C], labels [N].

    Mean over rows of |accuracy - mean confidence| in the row's bin, with the bins of
    `expected_calibration_error` (Guo et al. 2017, equation 3).
    """
    check_classes(logits, labels)
    return calibration_error(confidences(logits), logits.argmax(1) == labels, bins, weights)


def confidences(logits: Tensor) -> Tensor:
    """Probability of the predicted class of each row: logits [N, C] -> [N] float64."""
    return log_probabilities(logits).max(1).values.exp()


def log_probabilities(logits: Tensor) -> Tensor:
    """Logarithms of the probabilities of the classes, [N, C] float64."""
    return logits.detach().double().log_softmax(1)


def check_classes(logits: Tensor, labels: Tensor) -> None:
    """Raise DataError unless logits [N, C] are finite, N > 0, and labels [N] numbers of classes."""
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or logits.numel() == 0:
        raise DataError(
            "predictions and labels don't match",
            got=f"predictions {list(logits.shape)}, labels {list(labels.shape)}",
            expected="one prediction per row and class, one label per row, at least one row",
        )
    wrong = int((~logits.isfinite()).any(1).sum())
    if wrong:
        raise DataError(
            "a prediction is not a finite number",
            got=f"NaN or infinity in {wrong} of {len(logits)} rows",
            next_step="check whether the training loss became NaN",
        )
    numbers = torch.arange(logits.shape[1], device=labels.device)
    unknown = ~torch.isin(labels.long(), numbers) | (labels != labels.long())
    if bool(unknown.any()):
        raise DataError(
            "a label is not the number of a class",
            got=f"{float(labels[unknown][0]):g} in {int(unknown.sum())} of {len(labels)} rows",
            expected=f"whole numbers from 0 to {logits.shape[1] - 1}",
        )
