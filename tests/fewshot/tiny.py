"""A tiny image set and settings for a fast training on it."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from fewshot.network import FewShotNetwork
from fewshot.settings import (
    EpisodeSettings,
    MetaTestSettings,
    MetaTrainingSettings,
    MetaValidationSettings,
    NetworkSettings,
)

SIDE = 8
SETTINGS = EpisodeSettings(
    ways=3,
    shots=1,
    seed=0,
    device="cpu",
    threads=1,
    network=NetworkSettings(filters=4, blocks=2, pooled=False),
    training=MetaTrainingSettings(
        iterations=6,
        tasks=4,
        queries=2,
        inner_rate=0.4,
        inner_steps=2,
        learning_rate=0.01,
        lr_schedule="cosine",
        multi_step=4,
    ),
    validation=MetaValidationSettings(every=2, episodes=25, queries=3, inner_steps=2),
    test=MetaTestSettings(episodes=30, queries=(1, 3), inner_steps=2),
)


def training(**changes: Any) -> EpisodeSettings:
    """`SETTINGS` with changes to its training."""
    return replace(SETTINGS, training=replace(SETTINGS.training, **changes))


def make_images(characters: int, seed: int = 0) -> Tensor:
    """[C, 20, P, P]: one random pattern per character, with noise per drawer."""
    generator = torch.Generator().manual_seed(seed)
    patterns = torch.rand(characters, 1, SIDE, SIDE, generator=generator)
    noise = torch.rand(characters, 20, SIDE, SIDE, generator=generator)
    return ((0.7 * patterns + 0.3 * noise) * 255).byte()


def make_network(settings: EpisodeSettings = SETTINGS) -> FewShotNetwork:
    torch.manual_seed(0)
    network = settings.network
    return FewShotNetwork(
        ways=settings.ways,
        side=SIDE,
        filters=network.filters,
        blocks=network.blocks,
        pooled=network.pooled,
    )
