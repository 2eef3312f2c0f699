import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from emm.core.errors import DataError
from fewshot.episodes import Episodes, Sampler, Shape

CHARACTERS, DRAWERS = 7, 8
# Every image tells its character and drawer, and its turn by the place of its brightest corner.
IMAGES = torch.zeros(CHARACTERS, DRAWERS, 2, 2, dtype=torch.uint8)
IMAGES[..., 0, 0] = 200
IMAGES[..., 0, 1] = torch.arange(CHARACTERS, dtype=torch.uint8)[:, None]
IMAGES[..., 1, 1] = torch.arange(DRAWERS, dtype=torch.uint8)
SHAPES = st.builds(Shape, st.integers(1, 7), st.integers(1, 4), st.integers(1, 4))


def sampler(shape: Shape, *, seed: int = 0, rotated: bool = False) -> Sampler:
    return Sampler(IMAGES, shape, seed=seed, stream="train", rotated=rotated)


def upright(images: torch.Tensor) -> torch.Tensor:
    """[..., 2, 2] of 0 to 1 -> turned back, as bytes."""
    flat = (images.squeeze(-3) * 255).round().byte().flatten(0, 1)
    back = [
        next(turned for turns in range(4) if (turned := image.rot90(turns))[0, 0] == 200)
        for image in flat
    ]
    return torch.stack(back).view(*images.shape[:2], 2, 2)


def numbers(episodes: Episodes) -> tuple[torch.Tensor, torch.Tensor]:
    """Character and drawer of all images [B, W, K + Q], support first."""
    ways = int(episodes.support_labels.max()) + 1
    both = [upright(half).unflatten(1, (ways, -1)) for half in (episodes.support, episodes.query)]
    images = torch.cat(both, dim=2)
    return images[..., 0, 1], images[..., 1, 1]


@given(SHAPES, st.booleans(), st.integers(0, 99))
def test_classes_are_distinct_and_support_and_query_disjoint(
    shape: Shape, rotated: bool, number: int
) -> None:
    episodes = sampler(shape, rotated=rotated).batch(number, 3)
    characters, drawers = numbers(episodes)
    assert (characters == characters[:, :, :1]).all()  # a class is one character
    for classes in characters[:, :, 0].tolist():
        assert len(set(classes)) == shape.ways
    for drawn in drawers.flatten(0, 1).tolist():
        assert len(set(drawn)) == shape.shots + shape.queries


@given(SHAPES)
def test_labels_go_class_by_class(shape: Shape) -> None:
    episodes = sampler(shape).batch(0, 2)
    expected = [way for way in range(shape.ways) for _ in range(shape.shots)]
    assert episodes.support_labels.tolist() == expected
    assert episodes.support.shape == (2, shape.ways * shape.shots, 1, 2, 2)
    assert episodes.query.shape == (2, shape.ways * shape.queries, 1, 2, 2)
    assert len(episodes.query_labels) == shape.ways * shape.queries


def test_a_batch_depends_on_seed_stream_and_number_alone() -> None:
    shape = Shape(3, 1, 2)
    first = sampler(shape).batch(5, 4)
    again = sampler(shape)
    again.batch(2, 4)
    assert torch.equal(again.batch(5, 4).query, first.query)
    assert not torch.equal(again.batch(6, 4).query, first.query)
    assert not torch.equal(sampler(shape, seed=1).batch(5, 4).query, first.query)
    other = Sampler(IMAGES, shape, seed=0, stream="test", rotated=False)
    assert not torch.equal(other.batch(5, 4).query, first.query)


def test_a_class_is_turned_as_a_whole_and_all_turns_come() -> None:
    episodes = sampler(Shape(3, 2, 2), rotated=True).batch(0, 40)
    both = torch.cat([episodes.support, episodes.query], dim=1)
    corner = both.flatten(2).argmax(dim=2)  # [B, N], the place of the brightest pixel
    by_class = torch.cat([part.unflatten(1, (3, -1)) for part in corner.split(6, dim=1)], dim=2)
    assert (by_class == by_class[:, :, :1]).all()
    assert by_class.unique().tolist() == [0, 1, 2, 3]
    upright_ones = sampler(Shape(3, 2, 2)).batch(0, 40).query.flatten(2).argmax(dim=2)
    assert upright_ones.unique().tolist() == [0]


def test_every_character_and_drawer_is_drawn_alike() -> None:
    characters, drawers = numbers(sampler(Shape(2, 1, 1)).batch(0, 3000))
    for drawn, count in ((characters[:, :, 0], CHARACTERS), (drawers, DRAWERS)):
        shares = drawn.flatten().bincount().double() / drawn.numel()
        assert shares.tolist() == pytest.approx([1 / count] * count, abs=0.02)


@pytest.mark.parametrize("shape", [Shape(8, 1, 1), Shape(2, 4, 5)])
def test_too_few_images_are_an_error(shape: Shape) -> None:
    with pytest.raises(DataError, match=r"(?s)too few images.*7 characters, 8 drawings"):
        sampler(shape)
