"""The variant `stacked` from a stored pool: training, storage, and what is written about it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from emm.core.errors import ParamsError
from emm.fusion.emm import EMM
from emm.fusion.fuse import Fused, fuse, fusion_rows
from emm.fusion.pool import Pool
from emm.fusion.rules import fused_faults
from emm.fusion.settings import Phase, StackingSettings, Start
from emm.fusion.shares import mean_shares
from emm.fusion.stacking.module import StackedFusion
from emm.training.fit import predict
from tests.fusion.fused import build, mean_logits, rows
from tests.fusion.fusing import CONTEXT, settings, train
from tests.training.tiny import TASKS, fusion, training

STACKED = {"variant": "stacked"}
EVERYTHING = StackingSettings(few_rows=1, other_tasks=True)


@pytest.mark.parametrize("count", [1, 5])
def test_before_it_is_fitted_it_is_the_average(any_pool: Pool, count: int) -> None:
    dense, sparse = rows(count)
    model = build(any_pool, "stacked").double().eval()
    expected = mean_logits(any_pool, dense.double(), sparse)
    torch.testing.assert_close(model(dense.double(), sparse), expected)


def stored(folder: Path, pool: Path, **changes: Any) -> tuple[EMM, dict[str, Any]]:
    how = settings(**{"stacking": EVERYTHING, **changes})
    return train(folder, pool, how, arguments=STACKED, rows=fusion("out-of-fold"))


def fused(components: Path, pool: Pool, arguments: dict[str, Any]) -> Fused:
    return fuse(
        CONTEXT,
        "emm",
        components / "seed-0",
        pool,
        training=training(),
        fusion=fusion("out-of-fold"),
        settings=settings(stacking=EVERYTHING),
        arguments=arguments,
    )


def test_the_steps_are_written_and_taken_beyond_their_error(
    tmp_path: Path,
    components: Path,
) -> None:
    stored(tmp_path, components)
    (run,) = json.loads((tmp_path / "stacking.json").read_text())["runs"]
    assert run["seed"] == 0
    assert list(run["steps"]) == list(TASKS)
    for steps in run["steps"].values():
        assert [step["step"] for step in steps] == ["average", "weights", "gate", "residual"]
        for step in steps[1:]:
            assert step["taken"] == (step["gain"] > step["error"])


def test_a_stored_model_predicts_as_the_fitted_one(
    tmp_path: Path,
    components: Path,
    tiny_pool: Pool,
) -> None:
    found = fused(components, tiny_pool, STACKED)
    model, run = stored(tmp_path, components)
    assert torch.equal(predict(model, CONTEXT.validation), predict(found.model, CONTEXT.validation))
    assert [epoch["epoch"] for epoch in run["epochs"]] == [0]
    assert run["epochs"][0]["auc"] == dict(zip(TASKS, found.epochs[0].scores, strict=True))


def test_cached_predictions_of_members_change_nothing(
    tmp_path: Path,
    components: Path,
    tiny_pool: Pool,
) -> None:
    model, _ = stored(tmp_path, components)
    how = settings(stacking=EVERYTHING)
    _, validation = fusion_rows(CONTEXT, components / "seed-0", tiny_pool, fusion("train"), how)
    found = predict(model, validation)
    torch.testing.assert_close(found, predict(model, CONTEXT.validation))


def test_too_few_rows_of_a_class_keep_the_average(
    tmp_path: Path,
    components: Path,
    tiny_pool: Pool,
) -> None:
    labels = CONTEXT.train.labels.clone()
    labels[:, 0] = 0
    labels[:3, 0] = 1
    context = replace(CONTEXT, train=CONTEXT.train.with_labels(labels))
    how = settings(stacking=EVERYTHING)
    model, _ = train(
        tmp_path,
        components,
        how,
        arguments=STACKED,
        rows=fusion("out-of-fold"),
        context=context,
    )
    (run,) = json.loads((tmp_path / "stacking.json").read_text())["runs"]
    assert run["steps"][TASKS[0]] == []
    average = fused(components, tiny_pool, {"variant": "ensemble"}).model
    found, expected = (predict(each, CONTEXT.validation)[:, 0] for each in (model, average))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("other_tasks", [False, True])
def test_shares_are_the_mean_weights_of_the_tasks_own_members(
    tmp_path: Path, components: Path, tiny_pool: Pool, other_tasks: bool
) -> None:
    how = StackingSettings(steps=("weights",), other_tasks=other_tasks)
    model, _ = stored(tmp_path, components, stacking=how)
    shares = mean_shares(model, tiny_pool.members, CONTEXT.validation)
    assert isinstance(model.fusion, StackedFusion)
    weights: list[Tensor] = [each.weight.detach() for each in model.fusion.combinations]
    counts = model.fusion.layout.counts
    for task, (every, count) in enumerate(zip(weights, counts, strict=True)):
        found = every[:count]
        assert (len(every) > count) == other_tasks
        own = [shares[member.name] for member in tiny_pool.members.all if member.task == task]
        assert own == pytest.approx((found / found.sum()).tolist(), rel=1e-5)


@pytest.mark.parametrize(
    "changes",
    [{"second": Phase(0.01, 1)}, {"start": Start(towers="fresh")}],
    ids=["second", "start"],
)
@pytest.mark.parametrize("fit_on", ["train", "out-of-fold"])
def test_networks_that_should_learn_are_refused(changes: dict[str, Any], fit_on: str) -> None:
    faults = [*fused_faults("train.emm", fusion(fit_on), settings(**changes), STACKED)]
    assert len(faults) == 1
    assert isinstance(faults[0], ParamsError)
