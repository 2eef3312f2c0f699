"""Losses of several tasks: binary, of several classes, or regression; on labels or a teacher."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from emm.data.tables.outputs import split_outputs
from emm.data.tables.schema import BINARY, CLASSES, REGRESSION
from emm.nn.heads import each_head
from emm.nn.row_means import mean_over_rows, per_process


def task_losses(
    logits: Tensor,
    labels: Tensor,
    weights: Tensor | None = None,
    kinds: Sequence[str] = (),
    outputs: Sequence[int] = (),
    partly_labelled: bool = False,
    positive_weights: Sequence[float] = (),
) -> Tensor:
    """Mean loss of each task over its labelled rows: logits [B, O], labels [B, T] -> [T].

    The loss of a binary task is the cross-entropy in nats, and so is that of a task of classes,
    with the softmax of its logits. That of a regression task is the squared error of its output,
    which is the predicted label itself, in squared units of the label. A task without a labelled
    row has the loss 0, without a gradient. Of K heads, logits [B, K, O], it is the mean loss.

    Args:
        weights: of the rows in the mean, [B]; None weighs all rows equally.
        kinds: kind of each task; () if all are binary.
        outputs: number of logits of each task; () if each has one.
        partly_labelled: whether a label may be NaN, which is missing.
        positive_weights: factor of each task's losses of positive rows, 1 unless it is binary; the
            mean is still over rows (the ``pos_weight`` of torch). () if all are 1.
    """
    logits, labels, weights = each_head(logits, labels, weights)
    if partly_labelled:
        present = (~labels.isnan()).to(logits.dtype)  # [B, T]
        losses = _row_losses(logits, labels.nan_to_num(0.0), kinds, outputs, positive_weights)
        return mean_over_rows(
            losses, present if weights is None else weights.unsqueeze(1) * present
        )
    losses = _row_losses(logits, labels, kinds, outputs, positive_weights)  # [B, T]
    if weights is None:
        return losses.mean(dim=0)
    return (weights.unsqueeze(1) * losses).sum(dim=0) / weights.sum()


def soft_losses(
    logits: Tensor,
    teacher: Tensor,
    temperature: float = 1.0,
    weights: Tensor | None = None,
    kinds: Sequence[str] = (),
    outputs: Sequence[int] = (),
    *,
    shared_mean: bool = False,
) -> Tensor:
    """Mean loss of each task against a teacher: logits, ``teacher`` [B, O] -> [T].

    The cross-entropy with the teacher's probabilities, the logits of both divided by the
    ``temperature`` t and the loss multiplied by t², so that its gradient keeps its size. That of a
    regression is the squared difference of the outputs, whatever t is. A row without a target,
    NaN, has no part in a shared mean. Of K heads, logits [B, K, O], it is the mean loss.
    Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", arXiv 1503.02531, eq. 1.

    Args:
        weights, kinds, outputs: see `task_losses`.
        shared_mean: whether the mean is that of all processes which share the batch.
    """
    logits, teacher, weights = each_head(logits, teacher, weights)
    parts = zip(split_outputs(logits, outputs), split_outputs(teacher, outputs), strict=True)
    every = kinds or (BINARY,) * len(outputs or logits[0])
    present = (~teacher[:, :1].isnan()).to(logits.dtype)  # [B, 1]
    losses = torch.stack(
        [
            _soft_loss(own, wanted.nan_to_num(0.0), temperature, kind)
            for (own, wanted), kind in zip(parts, every, strict=True)
        ],
        dim=1,
    )  # [B, T]
    if shared_mean:
        weighed = present if weights is None else weights.unsqueeze(1) * present
        return mean_over_rows(losses, weighed.expand_as(losses))
    if weights is None:
        return losses.mean(dim=0)
    return (weights.unsqueeze(1) * losses).sum(dim=0) / weights.sum()


def labelled_rows(labels: Tensor) -> Tensor:
    """Number of labelled rows of each task, a mean over the processes that share the batch;
    labels [B, T], NaN is missing -> [T]."""
    return per_process((~labels.isnan()).sum(dim=0).float())


def binary_loss(logit: Tensor, label: Tensor, positive_weight: float = 1.0) -> Tensor:
    """Cross-entropy of each row, times ``positive_weight`` if its label is 1; all of one shape."""
    factor = None if positive_weight == 1 else logit.new_full((), positive_weight)
    return functional.binary_cross_entropy_with_logits(
        logit, label, pos_weight=factor, reduction="none"
    )


def _all_binary(kinds: Sequence[str]) -> bool:
    return set(kinds) <= {BINARY}


def _row_losses(
    logits: Tensor,
    labels: Tensor,
    kinds: Sequence[str],
    outputs: Sequence[int],
    positive_weights: Sequence[float],
) -> Tensor:
    """logits [B, O], labels [B, T] -> [B, T]."""
    if _all_binary(kinds) and not positive_weights:
        return binary_loss(logits, labels)
    tasks = labels.shape[1]
    columns = zip(
        split_outputs(logits, outputs),
        labels.unbind(1),
        kinds or (BINARY,) * tasks,
        positive_weights or (1.0,) * tasks,
        strict=True,
    )
    return torch.stack([row_losses(*column) for column in columns], dim=1)


def row_losses(output: Tensor, label: Tensor, kind: str, positive_weight: float = 1.0) -> Tensor:
    """The loss of each row of one task: output [B, outputs of the task], label [B] -> [B]."""
    if kind == CLASSES:
        return functional.cross_entropy(output, label.long(), reduction="none")
    value = output.squeeze(1)
    if kind == REGRESSION:
        return functional.mse_loss(value, label, reduction="none")
    return binary_loss(value, label, positive_weight)


def _soft_loss(output: Tensor, teacher: Tensor, temperature: float, kind: str) -> Tensor:
    """output, teacher [B, outputs of the task] -> [B]."""
    if kind == REGRESSION:
        return functional.mse_loss(output, teacher, reduction="none").squeeze(1)
    own, wanted = output / temperature, teacher / temperature
    if kind == CLASSES:
        loss = functional.cross_entropy(own, wanted.softmax(1), reduction="none")
    else:
        loss = functional.binary_cross_entropy_with_logits(own, wanted.sigmoid(), reduction="none")
        loss = loss.squeeze(1)
    return temperature**2 * loss
