"""Stored components are rejected, or unchanged, if any byte is missing or changed."""

from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emm.core.errors import ModelFileError
from emm.fusion.pool import COMPONENTS, DESCRIPTION, Pool, load_pool, save_pool
from tests.fusion.conftest import SCHEMA

PLACES = st.floats(0, 1, exclude_max=True)
# All examples use the same folder, which each of them restores.
EXAMPLES = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def folder(mixed: Pool, tmp_path: Path) -> Path:
    save_pool(mixed, tmp_path)
    return tmp_path


def altered(folder: Path, name: str, content: bytes) -> Pool:
    """Load with other bytes in one of the files, which is restored afterwards."""
    good = (folder / name).read_bytes()
    (folder / name).write_bytes(content)
    try:
        return load_pool(folder, SCHEMA)
    finally:
        (folder / name).write_bytes(good)


def flipped(content: bytes, place: float, bit: int) -> bytes:
    changed = bytearray(content)
    changed[int(place * len(content))] ^= 1 << bit
    return bytes(changed)


@EXAMPLES
@given(st.sampled_from([COMPONENTS, DESCRIPTION]), PLACES)
def test_a_truncated_file_is_rejected(folder: Path, name: str, place: float) -> None:
    content = (folder / name).read_bytes()
    # A description without its last line break is equivalent.
    with pytest.raises(ModelFileError):
        altered(folder, name, content[: int(place * (len(content) - 1))])


@EXAMPLES
@given(PLACES, st.integers(0, 7))
def test_any_flipped_bit_of_the_components_is_rejected(
    folder: Path, place: float, bit: int
) -> None:
    content = (folder / COMPONENTS).read_bytes()
    with pytest.raises(ModelFileError, match="altered or truncated"):
        altered(folder, COMPONENTS, flipped(content, place, bit))


@EXAMPLES
@given(PLACES, st.integers(0, 7))
def test_any_flipped_bit_of_the_description_is_rejected_or_keeps_the_tensors(
    folder: Path, mixed: Pool, place: float, bit: int
) -> None:
    content = (folder / DESCRIPTION).read_bytes()
    try:
        pool = altered(folder, DESCRIPTION, flipped(content, place, bit))
    except ModelFileError:
        return
    assert pool.tensors.keys() == mixed.tensors.keys()
    assert all(torch.equal(pool.tensors[key], mixed.tensors[key]) for key in pool.tensors)
    assert pool.schema_sha256 == SCHEMA
