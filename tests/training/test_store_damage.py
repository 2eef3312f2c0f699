"""A stored model is rejected, or unchanged, if any byte is missing or changed."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from emm.core.errors import ModelFileError
from emm.models.single_task import SingleTask
from emm.nn.inputs import Inputs
from emm.training.store import DESCRIPTION, WEIGHTS, Description, load_model, save_model

SCHEMA = "0" * 64
ABOUT = Description(
    architecture="single_task",
    arguments={
        "embedding_dim": 2,
        "blocks": [[4]],
        "tower": [2],
        "dropout": 0.25,
        "dense_encoding": "piecewise",
    },
    inputs=Inputs(1, (3,), ((0.125, 0.5, 0.75),)),
    tasks=("t",),
    name="tm",
    dataset="tiny",
    schema_sha256=SCHEMA,
    recipe="paper",
    seed=0,
)
# Entries that no result depends on and no hash protects.
ANNOTATIONS = ("name", "dataset", "recipe", "seed", "tasks")
PLACES = st.floats(0, 1, exclude_max=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("model")
    save_model(folder, SingleTask(ABOUT.inputs, **ABOUT.arguments), ABOUT)
    return folder


def rows() -> tuple[Tensor, Tensor]:
    return torch.linspace(0, 1, 8).unsqueeze(1), torch.arange(8).unsqueeze(1) % 3


def load(folder: Path) -> tuple[Tensor, Description]:
    model, about = load_model(folder, SCHEMA, ABOUT.inputs)
    with torch.no_grad():
        return model(*rows()), about


def altered(folder: Path, name: str, content: bytes) -> tuple[Tensor, Description]:
    """Load with other bytes in one of the files, which is restored afterwards."""
    good = (folder / name).read_bytes()
    (folder / name).write_bytes(content)
    try:
        return load(folder)
    finally:
        (folder / name).write_bytes(good)


def flipped(content: bytes, place: float, bit: int) -> bytes:
    changed = bytearray(content)
    changed[int(place * len(content))] ^= 1 << bit
    return bytes(changed)


@settings(deadline=None, max_examples=40)
@given(st.sampled_from([WEIGHTS, DESCRIPTION]), PLACES)
def test_a_truncated_file_is_rejected(folder: Path, name: str, place: float) -> None:
    content = (folder / name).read_bytes()
    # A description without its last line break is equivalent.
    with pytest.raises(ModelFileError):
        altered(folder, name, content[: int(place * (len(content) - 1))])


@settings(deadline=None, max_examples=40)
@given(PLACES, st.integers(0, 7))
def test_any_flipped_bit_of_the_weights_is_rejected(folder: Path, place: float, bit: int) -> None:
    content = (folder / WEIGHTS).read_bytes()
    with pytest.raises(ModelFileError, match="altered or truncated"):
        altered(folder, WEIGHTS, flipped(content, place, bit))


@settings(deadline=None, max_examples=100)
@given(PLACES, st.integers(0, 7))
def test_any_flipped_bit_of_the_description_is_rejected_or_changes_no_output(
    folder: Path, place: float, bit: int
) -> None:
    expected, about = load(folder)
    content = (folder / DESCRIPTION).read_bytes()
    try:
        outputs, other = altered(folder, DESCRIPTION, flipped(content, place, bit))
    except ModelFileError:
        return
    assert torch.equal(outputs, expected)
    same = {key: value for key, value in vars(about).items() if key not in ANNOTATIONS}
    found = {key: value for key, value in vars(other).items() if key not in ANNOTATIONS}
    for each in (same, found):
        each["arguments"] = {k: v for k, v in each["arguments"].items() if k != "dropout"}
    assert found == same


@pytest.mark.parametrize(
    "change",
    [
        lambda about: about["arguments"].update(dense_encoding="fourier"),
        lambda about: about["arguments"].update(dropout=1.5),
        lambda about: about["arguments"].update(newer=1),
        lambda about: about["arguments"].pop("tower"),
        lambda about: about["inputs"].update(edges=[[0.125, 0.5, 0.875]]),
        lambda about: about.update(schema_sha256="1" * 64),
        lambda about: about.update(newer=1),
    ],
)
def test_a_description_of_another_format_or_other_data_is_rejected(
    folder: Path, change: Any
) -> None:
    tree = json.loads((folder / DESCRIPTION).read_text())
    change(tree["description"])
    with pytest.raises(ModelFileError):
        altered(folder, DESCRIPTION, json.dumps(tree).encode())
