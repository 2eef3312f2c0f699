"""Search and training with missing labels, tasks of several classes and positive weights."""

from dataclasses import replace
from math import nan
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch.utils.flop_counter import FlopCounterMode

from emm.automtl.cost import operation_meter, parameter_meter
from emm.automtl.fields import field_names
from emm.automtl.search import Outcome, search
from emm.automtl.settings import SearchedSettings, SearchSettings
from emm.automtl.space import ARCHITECTURE, WEIGHTS, write_architecture
from emm.automtl.state import start, take_step
from emm.automtl.train import train_searched
from emm.core.errors import ParamsError
from emm.nn.losses import task_losses
from emm.nn.mlp import count_parameters
from emm.training.fit import validation_scores
from emm.training.networks import fresh_network
from emm.training.store import load_model, load_weights
from tests.automtl.tiny import batch, exported, supernet
from tests.training.partly import CONTEXT, KINDS, OUTPUTS, SCHEMA, TASKS, VALIDATION
from tests.training.tiny import IDENTITY, training

SETTINGS = SearchSettings(batch_size=64, warm_up=1, joint=1, positive_weight={"click": 3.0})
NETWORK: dict[str, Any] = {"embedding_dim": 2, "tower": (4,), "dropout": 0.0}
SPACE = {"levels": 1, "experts": 2, "layers": 1, "width": 3, "operators": ("identity", "mlp-16")}
ARGUMENTS = {**NETWORK, **SPACE}


@pytest.fixture(scope="module")
def found() -> Outcome:
    return search(CONTEXT, SETTINGS, ARGUMENTS)


def test_a_search_scores_all_kinds_of_tasks(found: Outcome) -> None:
    for record in found.history:
        assert set(record["auc"]) == {"click", "grade", "conversion"}
        assert set(record["r2"]) == {"number"}
        assert record["train_loss"] > 0


def test_the_same_seed_gives_the_same_bits(found: Outcome) -> None:
    again = search(CONTEXT, SETTINGS, ARGUMENTS)
    assert again.found == found.found
    assert all(torch.equal(again.weights[name], value) for name, value in found.weights.items())


def test_the_found_model_starts_with_the_weights_of_the_search(
    found: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, searched = field_names(SCHEMA), tmp_path / "searched"
    searched.mkdir()
    write_architecture(searched / ARCHITECTURE, found.found.architecture, names, TASKS)
    save_file(dict(found.weights), searched / WEIGHTS)
    started: list[dict[str, torch.Tensor]] = []

    def recorded(*arguments: Any) -> Any:
        network, own = fresh_network(*arguments)
        started.append({key: value.clone() for key, value in network.state_dict().items()})
        return network, own

    monkeypatch.setattr("emm.training.networks.fresh_network", recorded)
    train_searched(
        tmp_path / "model",
        CONTEXT,
        name="automtl",
        searched=searched,
        training=training(),
        settings=SearchedSettings(0.01, 0.0, start="search"),
        arguments=NETWORK,
    )
    stored = load_weights(searched / WEIGHTS)
    assert all(torch.equal(started[0][key], value) for key, value in stored.items())
    model, about = load_model(tmp_path / "model/seed-0", IDENTITY)
    assert about.arguments["outputs"] == list(OUTPUTS)
    assert len(validation_scores(model, VALIDATION)) == 4


def test_a_step_returns_the_mean_over_the_tasks_with_labels() -> None:
    state = start(CONTEXT, SETTINGS, ARGUMENTS)
    rows = CONTEXT.train.rows(torch.arange(40))
    rows = rows.with_labels(rows.labels.clone().index_fill_(1, torch.tensor([1]), nan))
    torch.manual_seed(0)
    logits = state.supernet(*rows.inputs)
    losses = task_losses(logits, rows.labels, None, KINDS, OUTPUTS, True, (3.0, 1.0, 1.0, 1.0))
    torch.manual_seed(0)
    loss = take_step(state, rows, "weights")
    assert losses[1] == 0
    assert loss.item() == pytest.approx(losses.sum().item() / 3, rel=1e-5)


def test_a_positive_weight_of_another_kind_of_task_is_an_error() -> None:
    settings = replace(SETTINGS, positive_weight={"grade": 2.0})
    with pytest.raises(ParamsError, match="grade has no positive rows") as error:
        start(CONTEXT, settings, ARGUMENTS)
    assert "search: positive_weight" in str(error.value)


@pytest.mark.parametrize("seed", range(3))
def test_costs_and_export_of_a_model_with_classes(seed: int) -> None:
    made = supernet(seed, outputs=(1, 5))
    found, model = exported(made, outputs=(1, 5))
    model.eval().requires_grad_(requires_grad=False)
    with FlopCounterMode(display=False) as counter:
        assert model(*batch(1)).shape == (1, 6)
    assert parameter_meter(made).exact(found.architecture) == count_parameters(model)
    assert operation_meter(made).exact(found.architecture) == counter.get_total_flops()
