"""Metrics of tasks of several classes, from logits [N, C] and the numbers of the classes [N]."""

import torch
from torch import Tensor

from emm.core.errors import DataError
from emm.metrics.ranking import auc


def class_aucs(logits: Tensor, labels: Tensor) -> tuple[list[float], list[int]]:
    """One-vs-rest AUC and number of rows of each class that occurs; logits [N, C], labels [N].

    A row's score for a class is the class's log probability in float64. Raises DataError if fewer
    than two classes occur.
    """
    check_classes(logits, labels)
    rows = labels.long().bincount(minlength=logits.shape[1]).tolist()
    present = [number for number, count in enumerate(rows) if count]
    if len(present) < 2:
        raise DataError(
            "the AUC is undefined: all labels are of one class",
            got=f"the class with the number {present[0]} in {len(labels)} rows",
            expected="rows of at least two classes",
        )
    scores = logits.detach().double().log_softmax(1)
    aucs = [auc(scores[:, number], labels == number) for number in present]
    return aucs, [rows[number] for number in present]


def macro_auc(logits: Tensor, labels: Tensor) -> float:
    """Mean of the one-vs-rest AUCs of the classes that occur; logits [N, C], labels [N]."""
    found, _ = class_aucs(logits, labels)
    return sum(found) / len(found)


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
