"""Episodes: W classes drawn out of the characters, K support and Q query images of each."""

from dataclasses import dataclass

import torch
from torch import Tensor

from emm.core.errors import DataError
from emm.training.seeds import derive


@dataclass(frozen=True)
class Shape:
    """``ways``: classes of an episode; ``shots`` and ``queries``: images of each."""

    ways: int
    shots: int
    queries: int


@dataclass(frozen=True)
class Episodes:
    """Images [B, N, 1, P, P], 0 to 1 with ink 1, and the classes' numbers [N] of each half, which
    are the same in every episode: class by class."""

    support: Tensor
    support_labels: Tensor
    query: Tensor
    query_labels: Tensor

    def to(self, device: torch.device) -> "Episodes":
        """The same on another device."""
        halves = (self.support, self.support_labels, self.query, self.query_labels)
        return Episodes(*(half.to(device) for half in halves))


class Sampler:
    """Draws batches of episodes from images [C, D, P, P], uint8.

    Batch ``number`` depends on the seed, the stream's name and its number alone, so that training
    goes on after an interruption as if there had been none. With ``rotated`` each class of an
    episode is turned by a multiple of 90 degrees, as Santoro et al. (ICML 2016) and MAML do: a
    turned character is another one. The classes of an episode are different characters, and their
    images are of different drawers.
    """

    def __init__(
        self, images: Tensor, shape: Shape, *, seed: int, stream: str, rotated: bool
    ) -> None:
        characters, drawers = images.shape[:2]
        if characters < shape.ways or drawers < shape.shots + shape.queries:
            raise DataError(
                "there are too few images for such episodes",
                got=f"{characters} characters, {drawers} drawings of each",
                expected=f"at least {shape.ways} characters, and "
                f"{shape.shots} + {shape.queries} drawings of each",
                next_step="draw smaller episodes: few-shot in params.yaml",
            )
        self.shape = shape
        self._seed, self._stream = seed, stream
        # [4, C, D, P, P] of all turns, or [1, C, D, P, P]: an episode is one lookup
        turns = range(4 if rotated else 1)
        self._images = torch.stack([images.rot90(turn, (2, 3)) for turn in turns])

    def batch(self, number: int, episodes: int) -> Episodes:
        """The batch of this number, with so many episodes."""
        generator = torch.Generator().manual_seed(derive(self._seed, self._stream, number))
        turns, characters, drawers = self._images.shape[:3]
        ways, shots, queries = self.shape.ways, self.shape.shots, self.shape.queries
        classes = _distinct(episodes, characters, ways, generator)  # [B, W]
        drawn = _distinct(episodes * ways, drawers, shots + queries, generator)
        turn = torch.randint(turns, (episodes, ways, 1), generator=generator)
        # [B, W, K + Q, P, P]
        images = self._images[turn, classes[:, :, None], drawn.view(episodes, ways, -1)]
        support, query = torch.split(images, [shots, queries], dim=2)
        labels = torch.arange(ways)
        return Episodes(
            _flat(support),
            labels.repeat_interleave(shots),
            _flat(query),
            labels.repeat_interleave(queries),
        )


def _distinct(rows: int, count: int, wanted: int, generator: torch.Generator) -> Tensor:
    """Rows [rows, wanted] of different numbers below ``count``."""
    return torch.rand(rows, count, generator=generator).argsort(dim=1)[:, :wanted]


def _flat(images: Tensor) -> Tensor:
    """[B, W, K, P, P] of bytes -> [B, W·K, 1, P, P] of 0 to 1."""
    return images.flatten(1, 2).unsqueeze(2).float() / 255
