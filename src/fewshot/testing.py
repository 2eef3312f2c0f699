"""Meta-test: accuracy on episodes of the test characters, which no other code reads."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from fewshot.episodes import Episodes, EpisodeShape
from fewshot.evaluate import (
    adapted_predictions,
    episode_accuracies,
    fixed_episodes,
    mean_accuracy,
    nearest_neighbour_predictions,
)
from fewshot.maml import Parameters
from fewshot.settings import EpisodeSettings

EVALUATION, SHOWN = "evaluation.json", "episodes.safetensors"
_SHOWN_EPISODES = 3


def meta_test(
    network: nn.Module, untrained: nn.Module, images: Tensor, settings: EpisodeSettings
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Compare ``network`` on test images [C, D, P, P] with two baselines that need no training: the
    ``untrained`` network, adapted in the same way, and the nearest neighbour on pixels.

    All three predict the same episodes. Returns the accuracies by query images per class and by
    predictor, as plain JSON, and the first E episodes with the last number of query images, for the
    report: ``support`` [E, W·K, P, P] and ``query`` [E, W·Q, P, P], uint8, and the ``predictions``
    [E, W·Q] of ``network``.
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
    shape = EpisodeShape(settings.ways, settings.shots, queries)
    count, seed = settings.test.episodes, settings.seed
    found: dict[str, list[Tensor]] = {name: [] for name in (*networks, "pixels")}
    shown: dict[str, Tensor] = {}
    for episodes in fixed_episodes(images, shape, count, seed=seed, stream="test"):
        predictions = {
            name: _predictions(network, episodes, settings) for name, network in networks.items()
        }
        predictions["pixels"] = nearest_neighbour_predictions(episodes)
        for name, classes in predictions.items():
            found[name].append(episode_accuracies(classes, episodes))
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
    """float [E, N, 1, P, P] from 0 to 1 -> uint8 [E, N, P, P]."""
    return (images.squeeze(2) * 255).round().byte()
