import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from emm.core.errors import DataError
from fewshot.episodes import Episodes, EpisodeShape, Sampler

CHARACTERS, DRAWERS = 7, 8
# An image encodes its character, its drawer and, by its brightest corner, its rotation.
IMAGES = torch.zeros(CHARACTERS, DRAWERS, 2, 2, dtype=torch.uint8)
IMAGES[..., 0, 0] = 200
IMAGES[..., 0, 1] = torch.arange(CHARACTERS, dtype=torch.uint8)[:, None]
IMAGES[..., 1, 1] = torch.arange(DRAWERS, dtype=torch.uint8)
SHAPES = st.builds(EpisodeShape, st.integers(1, 7), st.integers(1, 4), st.integers(1, 4))


def sampler(shape: EpisodeShape, *, seed: int = 0, rotated: bool = False) -> Sampler:
    return Sampler(IMAGES, shape, seed=seed, stream="train", rotated=rotated)


def upright(images: torch.Tensor) -> torch.Tensor:
    """float [B, N, 1, 2, 2] from 0 to 1 -> uint8 [B, N, 2, 2] without rotation."""
    flat = (images.squeeze(-3) * 255).round().byte().flatten(0, 1)
    back = [
        next(turned for turns in range(4) if (turned := image.rot90(turns))[0, 0] == 200)
        for image in flat
    ]
    return torch.stack(back).view(*images.shape[:2], 2, 2)


def characters_and_drawers(episodes: Episodes) -> tuple[torch.Tensor, torch.Tensor]:
    """Character and drawer of each image [B, W, K + Q], support images first."""
    ways = int(episodes.support_labels.max()) + 1
    both = [upright(half).unflatten(1, (ways, -1)) for half in (episodes.support, episodes.query)]
    images = torch.cat(both, dim=2)
    return images[..., 0, 1], images[..., 1, 1]


@given(SHAPES, st.booleans(), st.integers(0, 99))
def test_classes_are_distinct_and_support_and_query_disjoint(
    shape: EpisodeShape, rotated: bool, number: int
) -> None:
    episodes = sampler(shape, rotated=rotated).batch(number, 3)
    characters, drawers = characters_and_drawers(episodes)
    assert (characters == characters[:, :, :1]).all()  # a class is one character
    for classes in characters[:, :, 0].tolist():
        assert len(set(classes)) == shape.ways
    for drawn in drawers.flatten(0, 1).tolist():
        assert len(set(drawn)) == shape.shots + shape.queries


@given(SHAPES)
def test_images_are_ordered_by_class(shape: EpisodeShape) -> None:
    episodes = sampler(shape).batch(0, 2)
    expected = [way for way in range(shape.ways) for _ in range(shape.shots)]
    assert episodes.support_labels.tolist() == expected
    assert episodes.support.shape == (2, shape.ways * shape.shots, 1, 2, 2)
    assert episodes.query.shape == (2, shape.ways * shape.queries, 1, 2, 2)
    assert len(episodes.query_labels) == shape.ways * shape.queries


def test_batch_depends_only_on_seed_stream_and_number() -> None:
    shape = EpisodeShape(3, 1, 2)
    first = sampler(shape).batch(5, 4)
    again = sampler(shape)
    again.batch(2, 4)
    assert torch.equal(again.batch(5, 4).query, first.query)
    assert not torch.equal(again.batch(6, 4).query, first.query)
    assert not torch.equal(sampler(shape, seed=1).batch(5, 4).query, first.query)
    other = Sampler(IMAGES, shape, seed=0, stream="test", rotated=False)
    assert not torch.equal(other.batch(5, 4).query, first.query)


def test_images_of_a_class_share_a_rotation_and_all_rotations_occur() -> None:
    episodes = sampler(EpisodeShape(3, 2, 2), rotated=True).batch(0, 40)
    both = torch.cat([episodes.support, episodes.query], dim=1)
    corner = both.flatten(2).argmax(dim=2)  # [B, N], position of the brightest pixel
    by_class = torch.cat([part.unflatten(1, (3, -1)) for part in corner.split(6, dim=1)], dim=2)
    assert (by_class == by_class[:, :, :1]).all()
    assert by_class.unique().tolist() == [0, 1, 2, 3]
    upright_ones = sampler(EpisodeShape(3, 2, 2)).batch(0, 40).query.flatten(2).argmax(dim=2)
    assert upright_ones.unique().tolist() == [0]


def test_characters_and_drawers_are_drawn_uniformly() -> None:
    characters, drawers = characters_and_drawers(sampler(EpisodeShape(2, 1, 1)).batch(0, 3000))
    for drawn, count in ((characters[:, :, 0], CHARACTERS), (drawers, DRAWERS)):
        shares = drawn.flatten().bincount().double() / drawn.numel()
        assert shares.tolist() == pytest.approx([1 / count] * count, abs=0.02)


@pytest.mark.parametrize("shape", [EpisodeShape(8, 1, 1), EpisodeShape(2, 4, 5)])
def test_too_few_images_raise_an_error(shape: EpisodeShape) -> None:
    with pytest.raises(DataError, match=r"(?s)too few images.*7 characters, 8 drawings"):
        sampler(shape)
