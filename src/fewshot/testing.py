"""The meta-test: episodes of the test characters, which nothing else reads."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from emm.config import EpisodeSettings
from fewshot.episodes import Episodes, Shape
from fewshot.evaluate import (
    adapted_predictions,
    correct,
    episodes_of,
    mean_accuracy,
    nearest_predictions,
)
from fewshot.maml import Parameters

EVALUATION, SHOWN = "evaluation.json", "episodes.safetensors"
_SHOWN_EPISODES = 3


def meta_test(
    network: nn.Module, untrained: nn.Module, images: Tensor, settings: EpisodeSettings
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What ``network`` reaches on test images [C, D, P, P], beside what it takes no learning for:
    the ``untrained`` network adapted alike, and the nearest neighbour on pixels.

    All see the same episodes. Gives accuracies by queries of a class and predictor as plain JSON,
    and, of the last number of queries, the first episodes as tensors to show: ``support``
    [E, W·K, P, P] and ``query`` [E, W·Q, P, P] as bytes, and the trained network's ``predictions``
    [E, W·Q].
    """
    networks = {"maml": network, "untrained": untrained}
    accuracies: dict[str, Any] = {}
    shown: dict[str, Tensor] = {}
    for queries in settings.test.queries:
        accuracies[str(queries)], shown = _test(networks, images, settings, queries)
    return accuracies, shown


def _test(
    networks: Mapping[str, nn.Module], images: Tensor, settings: EpisodeSettings, queries: int
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    shape = Shape(settings.ways, settings.shots, queries)
    count, seed = settings.test.episodes, settings.seed
    found: dict[str, list[Tensor]] = {name: [] for name in (*networks, "pixels")}
    shown: dict[str, Tensor] = {}
    for episodes in episodes_of(images, shape, count, seed=seed, stream="test"):
        predictions = {
            name: _predictions(network, episodes, settings) for name, network in networks.items()
        }
        predictions["pixels"] = nearest_predictions(episodes)
        for name, classes in predictions.items():
            found[name].append(correct(classes, episodes))
        shown = shown or _shown(episodes, predictions["maml"])
    return {name: asdict(mean_accuracy(torch.cat(each))) for name, each in found.items()}, shown


def _predictions(network: nn.Module, episodes: Episodes, settings: EpisodeSettings) -> Tensor:
    rate, steps = settings.training.inner_rate, settings.test.inner_steps
    parameters: Parameters = dict(network.named_parameters())
    return adapted_predictions(network, parameters, episodes, rate, steps)


def _shown(episodes: Episodes, predictions: Tensor) -> dict[str, Tensor]:
    first = slice(_SHOWN_EPISODES)
    return {
        "support": _bytes(episodes.support[first]),
        "query": _bytes(episodes.query[first]),
        "predictions": predictions[first].contiguous(),
    }


def _bytes(images: Tensor) -> Tensor:
    """[E, N, 1, P, P] of 0 to 1 -> [E, N, P, P] of bytes."""
    return (images.squeeze(2) * 255).round().byte()
