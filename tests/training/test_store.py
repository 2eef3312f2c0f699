import json
from pathlib import Path

import pytest
import torch

from emm.core.errors import ModelFileError
from emm.models.single_task import SingleTask
from emm.nn.inputs import Inputs
from emm.training.store import (
    DESCRIPTION,
    WEIGHTS,
    Description,
    load_description,
    load_model,
    save_model,
)

SCHEMA = "0" * 64
ABOUT = Description(
    architecture="single_task",
    arguments={"embedding_dim": 2, "blocks": [[4]], "tower": [2], "dropout": 0.0},
    inputs=Inputs(1, (3,)),
    tasks=("t",),
    name="tm",
    dataset="tiny",
    schema_sha256=SCHEMA,
    recipe="paper",
    seed=0,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_model(tmp_path, SingleTask(ABOUT.inputs, **ABOUT.arguments), ABOUT)
    return tmp_path


def test_a_loaded_model_is_in_eval_mode_and_has_the_same_outputs(folder: Path) -> None:
    torch.manual_seed(0)
    model = SingleTask(ABOUT.inputs, **ABOUT.arguments).eval()
    loaded, about = load_model(folder, SCHEMA)
    x = (torch.rand(4, 1), torch.tensor([[0], [1], [2], [1]]))
    assert torch.equal(loaded(*x), model(*x))
    assert not loaded.training
    assert (about.name, about.tasks, about.inputs) == (ABOUT.name, ABOUT.tasks, ABOUT.inputs)


def test_saving_twice_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    before = [(folder / name).read_bytes() for name in (WEIGHTS, DESCRIPTION)]
    save_model(folder, load_model(folder, SCHEMA)[0], ABOUT)
    assert before == [(folder / name).read_bytes() for name in (WEIGHTS, DESCRIPTION)]


def test_a_model_of_another_encoding_is_rejected(folder: Path) -> None:
    with pytest.raises(ModelFileError, match="another encoding"):
        load_model(folder, "1" * 64)


@pytest.mark.parametrize("size", [0, 20, -1])
def test_truncated_weights_are_rejected(folder: Path, size: int) -> None:
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[:size])
    with pytest.raises(ModelFileError, match="altered or truncated"):
        load_model(folder, SCHEMA)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.update(format=99), "another format"),
        (lambda t: t["description"].pop("seed"), r"description\.seed: missing"),
        (lambda t: t["description"].update(architecture="os:system"), "unknown architecture"),
        (lambda t: t["description"]["arguments"].update(blocks=[[5]]), "doesn't fit"),
        (lambda t: t["description"]["arguments"].update(rows=5), "doesn't fit"),
        (lambda t: t["description"]["arguments"].update(embedding_dim="two"), "doesn't fit"),
    ],
)
def test_an_invalid_description_is_rejected(folder: Path, change: object, message: str) -> None:
    tree = json.loads((folder / DESCRIPTION).read_text())
    change(tree)
    (folder / DESCRIPTION).write_text(json.dumps(tree))
    with pytest.raises(ModelFileError, match=message):
        load_model(folder, SCHEMA)


@pytest.mark.parametrize("name", [WEIGHTS, DESCRIPTION])
def test_a_missing_file_is_an_error(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelFileError, match="can't be read"):
        load_description(folder)
