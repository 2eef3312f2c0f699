"""Accuracy over episodes: of adapted parameters, and of the nearest neighbour on pixels."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fewshot.episodes import Episodes, Sampler, Shape
from fewshot.maml import InnerLoop, Parameters, query_logits

_AT_ONCE = 20  # episodes


@dataclass(frozen=True)
class Accuracy:
    """Mean over episodes and half the width of its 95 % confidence interval."""

    mean: float
    ci95: float


def mean_accuracy(accuracies: Tensor) -> Accuracy:
    """Of the accuracies [E] of independent episodes, by the normal approximation."""
    values = accuracies.double()
    return Accuracy(float(values.mean()), 1.96 * float(values.std()) / math.sqrt(len(values)))


def episodes_of(
    images: Tensor, shape: Shape, count: int, *, seed: int, stream: str
) -> Iterator[Episodes]:
    """``count`` episodes with upright images [C, D, P, P], the same at each call, in batches."""
    draw = Sampler(images, shape, seed=seed, stream=stream, rotated=False)
    for number, first in enumerate(range(0, count, _AT_ONCE)):
        yield draw.batch(number, min(_AT_ONCE, count - first))


def adapted_predictions(
    network: nn.Module, parameters: Parameters, episodes: Episodes, rate: float, steps: int
) -> Tensor:
    """Predicted classes [B, N] of the query images, after inner ``steps`` with ``rate``."""
    inner = InnerLoop(rate, steps, second_order=False)
    device = next(iter(parameters.values())).device
    return query_logits(network, parameters, episodes.to(device), inner).argmax(dim=2).cpu()


def nearest_predictions(episodes: Episodes) -> Tensor:
    """Classes [B, N] of the support images whose pixels are nearest (Euclidean) to the queries'."""
    distances = torch.cdist(episodes.query.flatten(2), episodes.support.flatten(2))
    return episodes.support_labels[distances.argmin(dim=2)]


def correct(predictions: Tensor, episodes: Episodes) -> Tensor:
    """Accuracy [B] of each episode's predictions [B, N]."""
    return (predictions == episodes.query_labels).double().mean(dim=1)
