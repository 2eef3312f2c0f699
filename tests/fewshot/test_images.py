from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from emm.core.errors import DataError, ParamsError
from fewshot.images import (
    ARRAY,
    INDEX,
    load_images,
    read_index,
    split_characters,
    write_images,
)
from fewshot.omniglot import ARCHIVES, read_archive
from tests.fewshot.drawings import drawings, members, write_zip


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    return prepare(tmp_path, "prepared")


def prepare(tmp_path: Path, name: str) -> Path:
    path = write_zip(tmp_path / "a.zip", members("background", 3))
    out = tmp_path / name
    out.mkdir()
    write_images(read_archive(path), ARCHIVES[0].source, 28, out)
    return out


def test_images_are_stored_as_one_array_with_an_index(prepared: Path) -> None:
    images, index = load_images(prepared), read_index(prepared)
    assert images.dtype == torch.uint8
    assert images.shape == (3, 20, 28, 28)
    assert index.characters[0] == "background/Alphabet_0/character01"
    assert (index.title, index.licence) == ("Omniglot", "MIT")


def test_resizing_keeps_the_position_of_the_ink(prepared: Path) -> None:
    images = load_images(prepared)
    rows, columns = drawings(1)[7].nonzero()
    small = images[1, 7].double()
    assert small.max() == 255
    # Centre of the ink, as a fraction of the side.
    position = torch.arange(28).double() + 0.5
    centre = (
        small.sum(1) @ position / small.sum() / 28,
        small.sum(0) @ position / small.sum() / 28,
    )
    assert float(centre[0]) == pytest.approx((rows.mean() + 0.5) / 105, abs=0.01)
    assert float(centre[1]) == pytest.approx((columns.mean() + 0.5) / 105, abs=0.01)


def test_same_drawings_give_the_same_bytes(tmp_path: Path, prepared: Path) -> None:
    again = prepare(tmp_path, "again")
    for name in (ARRAY, INDEX):
        assert (again / name).read_bytes() == (prepared / name).read_bytes()


def test_array_that_does_not_match_its_index_is_rejected(prepared: Path) -> None:
    save_file({"images": torch.zeros(3, 20, 28, 28, dtype=torch.uint8)}, prepared / ARRAY)
    with pytest.raises(DataError, match=r"(?s)images\.safetensors can't be used.*sha256"):
        load_images(prepared)


@pytest.mark.parametrize("name", [ARRAY, INDEX])
def test_missing_or_damaged_file_is_rejected(prepared: Path, name: str) -> None:
    (prepared / name).write_bytes(b"{}")
    with pytest.raises(DataError, match=name):
        load_images(prepared)
    (prepared / name).unlink()
    with pytest.raises(DataError, match=name):
        load_images(prepared)


@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 50), st.integers(0, 9))
def test_split_assigns_each_character_once(
    train: int, validation: int, test: int, seed: int
) -> None:
    count = train + validation + test
    split = split_characters(count, train, validation, seed)
    parts = [split.train, split.validation, split.test]
    assert [len(part) for part in parts] == [train, validation, test]
    assert torch.equal(torch.cat(parts).sort().values, torch.arange(count))


def test_split_depends_on_the_seed() -> None:
    first, same, other = (split_characters(1623, 1100, 100, seed) for seed in (0, 0, 1))
    assert torch.equal(first.test, same.test)
    assert not torch.equal(first.test, other.test)


def test_split_without_test_characters_raises_an_error() -> None:
    with pytest.raises(ParamsError, match="leaves no characters to test on"):
        split_characters(10, 8, 2, 0)
