import json
from pathlib import Path

import pytest
import torch

from emm.core.errors import ModelFileError
from fewshot.store import DESCRIPTION, WEIGHTS, Description, load_network, save_network
from tests.fewshot.tiny import SETTINGS, SIDE, make_network

ABOUT = Description(
    name="maml-3-way-1-shot",
    dataset="omniglot",
    recipe="paper",
    seed=0,
    images_sha256="abc",
    arguments={"ways": 3, "side": SIDE, "filters": 4, "blocks": 2, "pooled": False},
    iteration=6,
    accuracy=0.5,
)


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    save_network(tmp_path, make_network(), ABOUT)
    return tmp_path


def test_a_network_comes_back_with_its_weights_and_description(stored: Path) -> None:
    network, about = load_network(stored, "abc")
    images = torch.rand(5, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    assert torch.equal(network(images), make_network(SETTINGS)(images))
    assert about == ABOUT


def test_one_that_was_trained_on_other_images_is_refused(stored: Path) -> None:
    with pytest.raises(ModelFileError, match="trained on other images"):
        load_network(stored, "abd")


def test_altered_weights_are_refused(stored: Path) -> None:
    content = bytearray((stored / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (stored / WEIGHTS).write_bytes(content)
    with pytest.raises(ModelFileError, match="altered or cut off"):
        load_network(stored, "abc")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format", 9, "another format"),
        ("description", {}, "is damaged"),
        ("description", {**vars(ABOUT), "arguments": {"ways": 4}}, "doesn't fit"),
    ],
)
def test_a_bad_description_is_refused(stored: Path, key: str, value: object, message: str) -> None:
    path = stored / DESCRIPTION
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    with pytest.raises(ModelFileError, match=message):
        load_network(stored, "abc")


def test_a_missing_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="can't be read"):
        load_network(tmp_path, "abc")
