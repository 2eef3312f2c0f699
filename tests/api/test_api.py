"""The public functions give what the stages give, and name what is wrong."""

from pathlib import Path
from typing import Any

import pytest
import torch

import emm
from emm.core.errors import ModelFileError, ParamsError
from emm.training.store import load_model

FUNNEL = Path(__file__).parents[2] / "examples/funnel"
QUICK: dict[str, Any] = {"blocks": [[8, 4]], "tower": [4], "max_epochs": 1, "device": "cpu"}


@pytest.fixture(scope="module")
def data() -> emm.Dataset:
    return emm.load_dataset(FUNNEL, device="cpu")


@pytest.fixture(scope="module")
def click(data: emm.Dataset) -> emm.Model:
    return emm.fit(data, task="click", **QUICK)


@pytest.fixture(scope="module")
def purchase(data: emm.Dataset) -> emm.Model:
    return emm.fit(data, task="purchase", **QUICK)


def test_every_public_name_is_there() -> None:
    for name in emm.__all__:
        assert getattr(emm, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        emm.fitt  # noqa: B018


def test_the_same_seed_gives_the_same_weights(data: emm.Dataset, click: emm.Model) -> None:
    again = emm.fit(data, task="click", **QUICK)
    for name, value in click.network.state_dict().items():
        assert torch.equal(value, again.network.state_dict()[name])


def test_a_saved_model_is_loaded_with_the_same_predictions(
    data: emm.Dataset, click: emm.Model, tmp_path: Path
) -> None:
    click.save(tmp_path / "click")
    loaded = emm.load(tmp_path / "click", data)
    assert loaded.tasks == ("click",)
    assert torch.equal(loaded.predict(data), click.predict(data))
    network, _ = load_model(tmp_path / "click", data.context.schema_sha256)
    assert type(network) is type(click.network)


def test_a_multi_task_network_is_scored_for_all_tasks(data: emm.Dataset) -> None:
    model = emm.fit(data, "shared_bottom", bottom=[8], tower=[4], max_epochs=1)
    scores = emm.evaluate(model, data, split="validation")
    assert [*scores] == ["click", "purchase"]
    assert scores["click"]["auc"] == pytest.approx(model.epochs[0].scores[0])


def test_the_plain_average_of_a_pool(
    data: emm.Dataset, click: emm.Model, purchase: emm.Model
) -> None:
    trees = emm.load(FUNNEL / "purchase.txt", data, task="purchase")
    average = emm.fuse([click, purchase, trees], data, variant="ensemble")
    logits = average.predict(data)
    assert torch.allclose(logits[:, :1], click.predict(data), atol=1e-5)
    both = (purchase.predict(data) + trees.predict(data)) / 2
    assert torch.allclose(logits[:, 1:], both, atol=1e-5)


def test_a_fused_model_can_be_saved_and_loaded(
    data: emm.Dataset, click: emm.Model, purchase: emm.Model, tmp_path: Path
) -> None:
    fused = emm.fuse([click, purchase], data, max_epochs=1)
    fused.save(tmp_path / "fused")
    assert torch.equal(emm.load(tmp_path / "fused", data).predict(data), fused.predict(data))


def test_two_models_of_one_task_have_names_of_their_own(
    data: emm.Dataset, click: emm.Model, purchase: emm.Model
) -> None:
    parts = emm.decompose([click, click, purchase], data)
    assert [*parts.levels] == ["single_task/click", "single_task/click#2", "single_task/purchase"]
    assert "single_task/click#2: level 1" in str(parts)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"task": "clik"}, "no task is called 'clik'; did you mean 'click'"),
        ({}, "single_task needs a task"),
        ({"model": "mmoe", "task": "click"}, "mmoe needs no task"),
        ({"model": "mmeo"}, "no model is called 'mmeo'; did you mean 'mmoe'"),
        ({"task": "click", "towers": [4]}, "towers: unknown key; did you mean 'tower'"),
        ({"task": "click", "max_epochs": 0}, "max_epochs: got 0, expected at least 1"),
        ({"task": "click", "batch_siz": 8}, "batch_siz: unknown key"),
    ],
    ids=str,
)
def test_a_wrong_setting_is_named(
    data: emm.Dataset, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParamsError, match=message):
        emm.fit(data, **arguments)


def test_models_of_several_tasks_join_no_pool(data: emm.Dataset, click: emm.Model) -> None:
    both = emm.fit(data, "shared_bottom", bottom=[8], tower=[4], max_epochs=1)
    with pytest.raises(ParamsError, match="shared_bottom/click is a model of several tasks"):
        emm.fuse([click, both], data)


def test_components_need_a_network_that_is_cut(data: emm.Dataset) -> None:
    trees = emm.load(FUNNEL / "purchase.txt", data, task="purchase")
    uncut = emm.fit(data, "tabm", task="click", heads=2, layers=[4], max_epochs=1)
    with pytest.raises(ParamsError, match="no network that is cut"):
        emm.fuse([trees, uncut], data)


def test_trees_and_uncut_networks_can_be_averaged(data: emm.Dataset) -> None:
    trees = emm.load(FUNNEL / "purchase.txt", data, task="purchase")
    uncut = emm.fit(data, "tabm", task="click", heads=2, layers=[4], max_epochs=1)
    fused = emm.fuse([trees, uncut], data, variant="ensemble")
    expected = torch.cat([uncut.predict(data), trees.predict(data)], dim=1)
    torch.testing.assert_close(fused.predict(data), expected)


def test_a_file_that_cannot_be_loaded_is_named(data: emm.Dataset, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="doesn't exist"):
        emm.load(tmp_path / "model.txt", data)
    with pytest.raises(ParamsError, match="doesn't say which task it predicts"):
        emm.load(FUNNEL / "purchase.txt", data)
    with pytest.raises(ParamsError, match="has no folder to be saved in"):
        emm.load(FUNNEL / "purchase.txt", data, task="purchase").save(tmp_path)
