from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from emm.automtl.fields import field_names
from emm.automtl.network import AutoMTL
from emm.automtl.search import search
from emm.automtl.settings import SearchedSettings, SearchSettings
from emm.automtl.space import ARCHITECTURE, WEIGHTS, plain, read_architecture, write_architecture
from emm.automtl.train import train_searched
from emm.core.errors import ModelFileError
from emm.data.tables.schema import BagColumn
from emm.training.networks import fresh_network
from emm.training.store import load_model, load_weights
from tests.training.tiny import IDENTITY, SCHEMA, TASKS, make_context, training

CONTEXT = make_context()
ARGUMENTS: dict[str, Any] = {"embedding_dim": 2, "tower": (4,), "dropout": 0.0}
SPACE = {"levels": 1, "experts": 2, "layers": 1, "width": 3, "operators": ("identity", "mlp-16")}


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a search."""
    out = tmp_path_factory.mktemp("searched")
    settings = SearchSettings(batch_size=64, warm_up=1, joint=0)
    found = search(CONTEXT, settings, {**ARGUMENTS, **SPACE})
    names = field_names(SCHEMA)
    write_architecture(out / ARCHITECTURE, found.found.architecture, names, TASKS)
    save_file(dict(found.weights), out / WEIGHTS)
    return out


def train(out: Path, searched: Path, arguments: Any = ARGUMENTS, **changes: Any) -> Path:
    settings = SearchedSettings(0.01, 0.0, **changes)
    train_searched(
        out,
        CONTEXT,
        name="automtl",
        searched=searched,
        training=training(seeds=(0, 1)),
        settings=settings,
        arguments=arguments,
    )
    return out


def test_every_seed_trains_the_found_architecture(searched: Path, tmp_path: Path) -> None:
    out = train(tmp_path / "model", searched)
    names = field_names(SCHEMA)
    found = read_architecture(searched / ARCHITECTURE, names, TASKS)
    for seed in (0, 1):
        _, about = load_model(out / f"seed-{seed}", IDENTITY)
        assert about.architecture == "automtl"
        assert about.arguments["architecture"] == plain(found)
    assert read_architecture(out / ARCHITECTURE, names, TASKS) == found


def first_weights(searched: Path, start: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The weights with which training starts."""
    begun = {}

    def keep(_out: Any, context: Any, _checkpoint: Any, *, name: str, build: Any, **_: Any) -> None:
        model, _ = fresh_network(build, context, 0, name)
        begun.update(model.state_dict())

    monkeypatch.setattr("emm.automtl.train.train_networks", keep)
    train(searched, searched, start=start)
    return begun


def test_start_search_uses_the_weights_of_the_search(
    searched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = first_weights(searched, "search", monkeypatch)
    stored = load_weights(searched / WEIGHTS)
    assert all(torch.equal(begun[key], stored[key]) for key in stored)


def test_start_scratch_uses_fresh_weights(searched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = first_weights(searched, "scratch", monkeypatch)
    stored = load_weights(searched / WEIGHTS)
    assert not torch.equal(begun["front.table.weight"], stored["front.table.weight"])


def test_the_error_for_weights_of_other_sizes_names_the_keys(
    searched: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelFileError, match="embedding_dim, dense_encoding, tower"):
        train(tmp_path / "model", searched, {**ARGUMENTS, "tower": (5,)}, start="search")


def test_max_epochs_of_the_model_override_those_of_the_recipe(
    searched: Path, tmp_path: Path
) -> None:
    out = train(tmp_path / "model", searched, max_epochs=1)
    assert (out / "history.json").read_text().count('"epoch": ') == 2  # one per seed


def test_an_architecture_of_other_data_is_rejected(searched: Path, tmp_path: Path) -> None:
    other = replace(CONTEXT, schema=replace(SCHEMA, dense=()))
    with pytest.raises(ModelFileError, match="no field is called"):
        train_searched(
            tmp_path,
            other,
            name="automtl",
            searched=searched,
            training=training(),
            settings=SearchedSettings(0.01, 0.0),
            arguments=ARGUMENTS,
        )


def test_fields_are_named_in_the_order_in_which_models_read_them() -> None:
    with_bags = replace(SCHEMA, bags=(BagColumn("tags", 3, 0, 9),))
    assert field_names(with_bags) == ["x", "y", "tags", "id"]


def test_a_model_of_a_malformed_architecture_is_rejected() -> None:
    with pytest.raises(ModelFileError, match="levels: missing"):
        AutoMTL(CONTEXT.inputs, 2, architecture={"width": 3, "tasks": [[0], [0]]}, **ARGUMENTS)
