"""Accuracy over episodes, of an adapted network and of the nearest neighbour on pixels."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fewshot.episodes import Episodes, EpisodeShape, Sampler
from fewshot.maml import InnerLoop, Parameters, query_logits

_BATCH = 20  # episodes


@dataclass(frozen=True)
class Accuracy:
    """Mean over episodes and half the width of its 95 % confidence interval, as fractions."""

    mean: float
    ci95: float


def mean_accuracy(accuracies: Tensor) -> Accuracy:
    """Mean and confidence interval (normal approximation) of the accuracies [E] of E independent
    episodes."""
    values = accuracies.double()
    return Accuracy(float(values.mean()), 1.96 * float(values.std()) / math.sqrt(len(values)))


def fixed_episodes(
    images: Tensor, shape: EpisodeShape, count: int, *, seed: int, stream: str
) -> Iterator[Episodes]:
    """Yield ``count`` episodes in batches, without rotations and the same ones in every call.

    images: [C, D, P, P].
    """
    sampler = Sampler(images, shape, seed=seed, stream=stream, rotated=False)
    for number, first in enumerate(range(0, count, _BATCH)):
        yield sampler.batch(number, min(_BATCH, count - first))


def adapted_predictions(
    network: nn.Module, parameters: Parameters, episodes: Episodes, rate: float, steps: int
) -> Tensor:
    """Predicted classes [B, N] of the query images after ``steps`` inner steps with ``rate``."""
    inner = InnerLoop(rate, steps, second_order=False)
    device = next(iter(parameters.values())).device
    return query_logits(network, parameters, episodes.to(device), inner).argmax(dim=2).cpu()


def nearest_neighbour_predictions(episodes: Episodes) -> Tensor:
    """Classes [B, N] of the support images nearest to the query images (Euclidean, on pixels)."""
    distances = torch.cdist(episodes.query.flatten(2), episodes.support.flatten(2))
    return episodes.support_labels[distances.argmin(dim=2)]


def episode_accuracies(predictions: Tensor, episodes: Episodes) -> Tensor:
    """Accuracy [B] of the predictions [B, N] in each episode."""
    return (predictions == episodes.query_labels).double().mean(dim=1)
