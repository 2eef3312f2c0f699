from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from emm.models.aitm import AITM
from emm.models.mmoe import MMoE
from emm.training.fit import Schedule, fit
from emm.training.seeds import seed_init
from emm.training.vectorised import StackedModel, fit_vectorised, obstacle
from tests.data.tables.streamed import stream
from tests.training.fitting import INPUTS, TRAIN, VALIDATION, schedule
from tests.training.partly import TRAIN as PARTLY
from tests.training.partly import VALIDATION as PARTLY_HELD
from tests.training.partly import network

KNOBS: Mapping[str, Any] = {"embedding_dim": 2, "tower": [4], "dropout": 0.0}
STRUCTURES = ("single_task", "tabm", "dcnv2", "realmlp", "ft_transformer")
MODELS = ("mmoe", "aitm", "esmm", "cross_stitch", "sluice", "home", "resflow", "ektm")
# In float64: Adam would turn rounding errors of zero gradients into full steps.
ROWS, HELD = (replace(rows, dense=rows.dense.double()) for rows in (TRAIN, VALIDATION))


def mmoe(seed: int, **changes: Any) -> nn.Module:
    seed_init(seed)
    return MMoE(INPUTS, 2, **{**KNOBS, "experts": 2, "expert": [4], **changes}).double()


def aitm(seed: int) -> nn.Module:
    seed_init(seed)
    return AITM(INPUTS, 2, **KNOBS, bottom=[4], funnel=(1, 0)).double()


def members(models: list[nn.Module], **changes: Any) -> list[StackedModel]:
    rows = replace(ROWS, **changes)
    return [StackedModel(model, rows, HELD, seed, ("row",)) for seed, model in enumerate(models)]


def assert_equal_to_single(
    stacked: list[StackedModel], single: list[nn.Module], how: Schedule
) -> None:
    found = fit_vectorised(stacked, how)
    for member, model, epochs in zip(stacked, single, found, strict=True):
        expected = fit(
            model, member.train, member.validation, how, seed=member.seed, names=member.names
        )
        losses = [epoch.train_loss for epoch in expected]
        assert [epoch.train_loss for epoch in epochs] == pytest.approx(losses, abs=1e-6)
        for epoch, other in zip(epochs, expected, strict=True):
            assert epoch.scores == pytest.approx(other.scores, abs=1e-6)
        for name, value in model.state_dict().items():
            torch.testing.assert_close(member.model.state_dict()[name], value, atol=1e-6, rtol=0)
        assert not member.model.training


@pytest.mark.parametrize("make", [mmoe, aitm])
@pytest.mark.parametrize("weighting", [{"rule": "equal"}, {"rule": "fixed", "weights": [1, 3]}])
def test_several_seeds_in_one_pass_equal_the_seeds_one_by_one(
    make: Any, weighting: Mapping[str, Any]
) -> None:
    how = schedule(max_epochs=4, weight_decay=0.01, lr_schedule="one-cycle", weighting=weighting)
    stacked, single = ([make(seed) for seed in range(3)] for _ in range(2))
    assert_equal_to_single(members(stacked), single, how)


def test_each_model_has_its_own_best_epoch_and_stop() -> None:
    how = schedule(max_epochs=12, patience=2, learning_rate=0.05)
    stacked, single = ([mmoe(seed) for seed in range(4)] for _ in range(2))
    assert_equal_to_single(members(stacked), single, how)
    lengths = {len(fit(mmoe(s), ROWS, HELD, how, seed=s, names=("row",))) for s in range(4)}
    assert len(lengths) > 1


def test_each_model_has_its_own_rows_and_weights() -> None:
    weights = torch.linspace(0.5, 2.0, len(ROWS), dtype=torch.float64)
    stacked, single = ([mmoe(seed) for seed in range(2)] for _ in range(2))
    own = members(stacked, weights=weights)
    own[1].train = replace(own[1].train, labels=1 - ROWS.labels)
    assert_equal_to_single(own, single, schedule(max_epochs=2))


@pytest.mark.parametrize("name", [*STRUCTURES, *MODELS])
def test_missing_labels_and_classes_in_one_pass(name: str) -> None:
    rows, held = (replace(each, dense=each.dense.double()) for each in (PARTLY, PARTLY_HELD))
    weighting = {"rule": "fixed", "weights": [1, 2, 1, 3]}
    how = replace(
        schedule(max_epochs=3, weighting=weighting), positive_weights=(3.0, 1.0, 1.0, 0.5)
    )
    stacked, single = ([network(name, seed).double() for seed in range(2)] for _ in range(2))
    own = [StackedModel(model, rows, held, n, ("row",)) for n, model in enumerate(stacked)]
    # Another pattern of missing labels, in another number of rows.
    labels = rows.labels.clone()
    labels[:50, 0] = torch.nan
    own[1].train = replace(rows, labels=labels)
    assert_equal_to_single(own, single, how)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ema_decay": 0.9}, "averaged"),
        ({"optimiser": "lazy-adam"}, "lazy-adam"),
        ({"weighting": {"rule": "uncertainty"}}, "rule isn't equal or fixed"),
    ],
)
def test_obstacles_in_the_schedule(change: dict[str, Any], reason: str) -> None:
    found = obstacle(members([mmoe(0), mmoe(1)]), schedule(**change))
    assert found is not None
    assert reason in found


def test_obstacles_in_models_and_rows(tmp_path: Path) -> None:
    how, pair = schedule(), [mmoe(0), mmoe(1)]
    assert obstacle(members(pair), how) is None
    assert "dropout" in str(obstacle(members([mmoe(0, dropout=0.1)] * 2), how))
    assert "shapes" in str(obstacle(members([mmoe(0), mmoe(1, tower=[5])]), how))
    shorter = members(pair)
    shorter[1].train = ROWS.part(0, 100)
    assert "numbers of rows" in str(obstacle(shorter, how))
    other = members(pair)
    other[1].train = replace(ROWS, labels=ROWS.labels.float(), kinds=("binary", "regression"))
    assert "tasks differ" in str(obstacle(other, how))
    streamed = members(pair)
    streamed[0].train = stream(TRAIN, tmp_path / "rows.parquet")
    assert "streamed" in str(obstacle(streamed, how))


def test_several_processes_share_the_batches_of_one_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emm.training.vectorised.single_process", lambda: False)
    assert "several processes" in str(obstacle(members([mmoe(0), mmoe(1)]), schedule()))
