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


def test_saved_network_loads_with_its_weights_and_description(stored: Path) -> None:
    network, about = load_network(stored, "abc")
    images = torch.rand(5, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    assert torch.equal(network(images), make_network(SETTINGS)(images))
    assert about == ABOUT


def test_network_trained_on_other_images_is_rejected(stored: Path) -> None:
    with pytest.raises(ModelFileError, match="trained on other images"):
        load_network(stored, "abd")


def test_modified_weights_are_rejected(stored: Path) -> None:
    content = bytearray((stored / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (stored / WEIGHTS).write_bytes(content)
    with pytest.raises(ModelFileError, match="modified or is incomplete"):
        load_network(stored, "abc")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format", 9, "unknown format"),
        ("description", {}, "is damaged"),
        ("description", {**vars(ABOUT), "arguments": {"ways": 4}}, "doesn't match"),
    ],
)
def test_bad_description_is_rejected(stored: Path, key: str, value: object, message: str) -> None:
    path = stored / DESCRIPTION
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    with pytest.raises(ModelFileError, match=message):
        load_network(stored, "abc")


def test_missing_network_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="can't be read"):
        load_network(tmp_path, "abc")
