"""Sums over the tasks that have labelled rows in a batch, without waiting for the device."""

import torch
from torch import Tensor


def part_of(values: Tensor, present: Tensor | None) -> Tensor:
    """``values`` [T] with zeros for the tasks that aren't ``present``; None: all are."""
    return values if present is None else values.where(present, 0.0)


def mean_of(values: Tensor, present: Tensor | None) -> Tensor:
    """The mean over the present tasks, 0 if there is none; [T] -> scalar."""
    if present is None:
        return values.mean()
    return part_of(values, present).sum() / present.sum().clamp(min=1)


def softmax_of(values: Tensor, present: Tensor | None) -> Tensor:
    """The softmax over the present tasks, zeros for the others; [T] -> [T]."""
    if present is None:
        return values.softmax(dim=0)
    # Without any task all would be minus infinity, and the softmax not a number.
    least = torch.finfo(values.dtype).min
    return part_of(values.where(present, least).softmax(dim=0), present)


def with_mean_one(weights: Tensor, present: Tensor | None) -> Tensor:
    """``weights`` >= 0, scaled to the mean 1 over the present tasks, zeros for the others; [T]."""
    own = part_of(weights, present)
    return own / mean_of(own, present).clamp(min=torch.finfo(own.dtype).tiny)
