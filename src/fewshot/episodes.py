"""Episodes: W classes drawn from the characters, with K support and Q query images each."""

from dataclasses import dataclass

import torch
from torch import Tensor

from emm.core.errors import DataError
from emm.training.seeds import derive


@dataclass(frozen=True)
class EpisodeShape:
    """``ways``: classes per episode; ``shots``, ``queries``: support and query images per class."""

    ways: int
    shots: int
    queries: int


@dataclass(frozen=True)
class Episodes:
    """A batch of episodes: support and query images [B, N, 1, P, P], from 0 to 1 (ink), and their
    labels [N]. Images are ordered by class, so the labels are the same in every episode."""

    support: Tensor
    support_labels: Tensor
    query: Tensor
    query_labels: Tensor

    def to(self, device: torch.device) -> "Episodes":
        """Copy the batch to another device."""
        halves = (self.support, self.support_labels, self.query, self.query_labels)
        return Episodes(*(half.to(device) for half in halves))


class Sampler:
    """Draws batches of episodes from images [C, D, P, P], uint8.

    The classes of an episode are different characters, and the images of a class are by different
    drawers. With ``rotated``, each class is rotated by a random multiple of 90 degrees, as in
    Santoro et al. (ICML 2016) and MAML: a rotated character counts as a new one.

    A batch depends only on ``seed``, ``stream`` and its number, so that a resumed training draws
    the same batches as an uninterrupted one. Raises DataError if there are too few images.
    """

    def __init__(
        self, images: Tensor, shape: EpisodeShape, *, seed: int, stream: str, rotated: bool
    ) -> None:
        characters, drawers = images.shape[:2]
        if characters < shape.ways or drawers < shape.shots + shape.queries:
            raise DataError(
                "there are too few images for episodes of this shape",
                got=f"{characters} characters, {drawers} drawings of each",
                expected=f"at least {shape.ways} characters, and "
                f"{shape.shots} + {shape.queries} drawings of each",
                next_step="lower ways, shots or queries in conf/<images>/<recipe>.yaml",
            )
        self.shape = shape
        self._seed, self._stream = seed, stream
        rotations = range(4 if rotated else 1)
        # [R, C, D, P, P] with all R rotations, so that a batch is a single lookup
        self._images = torch.stack([images.rot90(times, (2, 3)) for times in rotations])

    def batch(self, number: int, episodes: int) -> Episodes:
        """Draw batch ``number`` with ``episodes`` episodes."""
        generator = torch.Generator().manual_seed(derive(self._seed, self._stream, number))
        rotations, characters, drawers = self._images.shape[:3]
        ways, shots, queries = self.shape.ways, self.shape.shots, self.shape.queries
        classes = _distinct(episodes, characters, ways, generator)  # [B, W]
        drawer = _distinct(episodes * ways, drawers, shots + queries, generator)  # [B·W, K + Q]
        rotation = torch.randint(rotations, (episodes, ways, 1), generator=generator)
        images = self._images[  # [B, W, K + Q, P, P]
            rotation, classes[:, :, None], drawer.view(episodes, ways, -1)
        ]
        support, query = torch.split(images, [shots, queries], dim=2)
        labels = torch.arange(ways)
        return Episodes(
            _flat(support),
            labels.repeat_interleave(shots),
            _flat(query),
            labels.repeat_interleave(queries),
        )


def _distinct(rows: int, count: int, wanted: int, generator: torch.Generator) -> Tensor:
    """Draw ``rows`` rows of ``wanted`` distinct numbers below ``count``: [rows, wanted]."""
    return torch.rand(rows, count, generator=generator).argsort(dim=1)[:, :wanted]


def _flat(images: Tensor) -> Tensor:
    """uint8 [B, W, K, P, P] -> float [B, W·K, 1, P, P] from 0 to 1."""
    return images.flatten(1, 2).unsqueeze(2).float() / 255
