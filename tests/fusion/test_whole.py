"""Networks that aren't cut, from their training to fused models, their shares and students."""

import json
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import torch
from torch import Tensor

from emm.core.errors import DecompositionError, ModelFileError
from emm.data.tables.folds import folds_of
from emm.data.tables.rows import RowTensors
from emm.data.tables.soft_targets import Distillation, with_soft_targets
from emm.fusion.cached_predictions import CACHED_PREDICTIONS
from emm.fusion.check_pool import check_whole
from emm.fusion.decompose import decompose
from emm.fusion.exchanged_rows import add_exchanged
from emm.fusion.fuse import with_predictions
from emm.fusion.pool import Pool, load_pool
from emm.fusion.settings import Phase, StackingSettings
from emm.fusion.shares import mean_shares
from emm.fusion.teacher import TeacherFiles, lesson_of, open_teacher
from emm.fusion.trained_models import TrainedWhole, pipeline_whole
from emm.training.fit import predict
from emm.training.store import load_model, load_weights
from tests.fusion.fusing import CONTEXT, settings, train
from tests.fusion.teaching import HOW
from tests.training.tiny import IDENTITY, TASKS, train_members

EXACT: dict[str, float] = {"rtol": 1e-5, "atol": 1e-6}


@pytest.fixture(scope="module")
def components(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pool of trees and a network that isn't cut for each task, out of fold."""
    folder = tmp_path_factory.mktemp("whole")
    members = train_members(folder, CONTEXT, HOW, ("uncut",))
    decompose(folder / "pool", CONTEXT, *members, HOW, (0,))
    return folder / "pool"


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a network that is cut."""
    folder = tmp_path_factory.mktemp("both")
    members = train_members(folder, CONTEXT, HOW, ("narrow", "uncut"))
    decompose(folder / "pool", CONTEXT, *members, HOW, (0,))
    return folder / "pool"


@pytest.fixture
def pool(components: Path) -> Pool:
    return load_pool(components / "seed-0", IDENTITY)


def logits(components: Path, task: str, rows: RowTensors) -> Tensor:
    """The logits [N, 1] of the network that isn't cut."""
    model, _ = load_model(components.parent / "uncut/seed-0" / task, IDENTITY)
    return predict(model, rows)


def without_fold(components: Path, task: str, rows: RowTensors, name: str = "uncut") -> Tensor:
    """The same, or those of another member, by models that were trained without the rows' folds."""
    folders = [components.parent / name / f"seed-0/fold-{n}" / task for n in range(HOW.folds)]
    runs = [predict(load_model(folder, IDENTITY)[0], rows) for folder in folders]
    fold = folds_of(CONTEXT.train, HOW.folds, 0)
    return torch.stack([runs[int(n)][row] for row, n in enumerate(fold)])


def test_it_is_a_member_of_its_own_kind(both: Path) -> None:
    members = load_pool(both / "seed-0", IDENTITY).members
    names = ["narrow/t0", "narrow/t1", "gbdt/t0", "gbdt/t1", "uncut/t0", "uncut/t1"]
    assert [each.name for each in members.all] == names
    assert [each.architecture for each in members.whole] == ["tabm", "tabm"]
    assert members.levels == 4


@pytest.mark.parametrize("where", ["components", "both"])
def test_each_level_has_an_equal_share_of_the_logit_out_of_fold(
    where: str, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(where)
    cached = load_weights(folder / "seed-0" / CACHED_PREDICTIONS)
    levels = load_pool(folder / "seed-0", IDENTITY).members.levels
    for task in TASKS:
        for split, expected in (
            ("train", logits(folder, task, CONTEXT.train)),
            ("validation", logits(folder, task, CONTEXT.validation)),
            ("out-of-fold", without_fold(folder, task, CONTEXT.train)),
        ):
            found = cached[f"{split}/uncut/{task}"]
            torch.testing.assert_close(found, expected.expand(-1, levels) / levels, **EXACT)


@pytest.mark.parametrize("variant", ["ensemble", "stacked"])
def test_a_pool_without_networks_that_are_cut_can_be_fused(
    components: Path, tmp_path: Path, variant: str
) -> None:
    model, _ = train(
        tmp_path,
        components,
        settings(stacking=StackingSettings(steps=())),
        arguments={"variant": variant},
        rows=HOW,
    )
    stored = components.parent
    trees, _ = load_model(stored / "gbdt/seed-0", IDENTITY)
    rows = CONTEXT.validation
    mean = [
        (logits(components, task, rows)[:, 0] + predict(trees, rows)[:, number]) / 2
        for number, task in enumerate(TASKS)
    ]
    found = predict(model, rows)
    if variant == "ensemble":
        torch.testing.assert_close(found, torch.stack(mean, 1).to(found.dtype), **EXACT)
    else:  # calibrated, which keeps the order
        for number, own in enumerate(mean):
            assert torch.equal(found[:, number].argsort(), own.argsort())


def test_all_its_weights_stay_in_a_second_phase(both: Path, tmp_path: Path) -> None:
    model, _ = train(tmp_path, both, settings(second=Phase(0.05, 1)))
    stored = load_pool(both / "seed-0", IDENTITY)
    for number, member in enumerate(model.whole.members):
        own = stored.tensors_of(f"whole.{number}")
        assert all(torch.equal(value, own[name]) for name, value in member.state_dict().items())
        assert not any(weight.requires_grad for weight in member.parameters())


def test_its_share_is_that_of_a_member(both: Path, tmp_path: Path) -> None:
    model, _ = train(tmp_path, both, settings(), arguments={"variant": "ensemble"})
    stored = load_pool(both / "seed-0", IDENTITY)
    rows = with_predictions(CONTEXT, both / "seed-0", stored, CONTEXT.validation, "validation")
    shares = mean_shares(model, stored.members, rows)
    assert shares == pytest.approx(dict.fromkeys((each.name for each in stored.members.all), 1 / 3))


def test_a_pool_of_chosen_members_keeps_their_weights(both: Path) -> None:
    stored = load_pool(both / "seed-0", IDENTITY)
    chosen = stored.select(["gbdt", "uncut/t1"])
    assert [each.name for each in chosen.members.all] == ["gbdt/t0", "gbdt/t1", "uncut/t1"]
    old, new = stored.tensors_of("whole.1"), chosen.tensors_of("whole.0")
    assert old.keys() == new.keys()
    assert all(torch.equal(old[name], new[name]) for name in old)


def test_a_teacher_is_the_mean_of_what_has_not_seen_the_row(components: Path) -> None:
    teacher = open_teacher(CONTEXT, TeacherFiles(components), HOW, 0)
    found = lesson_of(CONTEXT, teacher, HOW).logits
    cached = load_weights(components / "seed-0" / CACHED_PREDICTIONS)
    for number, task in enumerate(TASKS):
        uncut = without_fold(components, task, CONTEXT.train)[:, 0]
        trees = cached[f"out-of-fold/gbdt/{task}"].sum(1)
        torch.testing.assert_close(found[:, number], (uncut + trees) / 2, **EXACT)


def test_it_labels_exchanged_rows_without_their_fold(both: Path) -> None:
    networks = {name: both.parent / name for name in ("narrow", "uncut")}
    files = TeacherFiles(both, None, networks, {"gbdt": both.parent / "gbdt"})
    teacher = open_teacher(CONTEXT, files, HOW, 0)
    taught = with_soft_targets(
        CONTEXT.train, lesson_of(CONTEXT, teacher, HOW).logits, Distillation(0.9)
    )
    count = len(CONTEXT.train)
    more = add_exchanged(taught, CONTEXT, teacher, HOW, 0.4).part(count, 2 * count)
    for number, task in enumerate(TASKS):
        parts = [without_fold(both, task, more, name) for name in ("narrow", "uncut")]
        parts.append(without_fold(both, "", more, "gbdt")[:, number : number + 1].float())
        wanted = torch.cat(parts, dim=1).mean(1)
        assert more.soft_targets is not None
        torch.testing.assert_close(more.soft_targets[:, number], wanted, rtol=1e-4, atol=1e-5)


def networks_of(components: Path) -> list[TrainedWhole]:
    return pipeline_whole({"uncut": components.parent / "uncut"}, TASKS, IDENTITY, "seed-0")


def test_what_is_stored_has_to_predict_the_same(components: Path, pool: Pool) -> None:
    networks = networks_of(components)
    check_whole(pool, networks, CONTEXT)
    with torch.no_grad():
        next(networks[1].model.parameters()).add_(0.1)
    with pytest.raises(DecompositionError, match=r"(?s)uncut/t1 predicts something else.*differ"):
        check_whole(pool, networks, CONTEXT)


def test_predictions_that_change_each_time_are_refused(components: Path, pool: Pool) -> None:
    networks = networks_of(components)
    networks[0].model.register_forward_hook(lambda _m, _i, out: out + torch.rand_like(out))
    with pytest.raises(DecompositionError, match="something else each time"):
        check_whole(pool, networks, CONTEXT)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": "os"}, "uncut/t0 has an unknown architecture"),
        ({"arguments": {"heads": "many"}}, r"(?s)uncut/t0 has unusable arguments.*heads"),
        ({"arguments": {"shell": "rm"}}, r"(?s)uncut/t0 has unusable arguments.*shell"),
    ],
)
def test_a_description_that_builds_no_network_is_refused(
    components: Path, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    copytree(components / "seed-0", tmp_path / "seed-0")
    file = tmp_path / "seed-0/components.json"
    about = json.loads(file.read_text())
    about["members"]["whole"][0] |= change
    file.write_text(json.dumps(about))
    damaged = load_pool(tmp_path / "seed-0", IDENTITY)
    with pytest.raises(ModelFileError, match=message):
        damaged.members.whole[0].build(CONTEXT.inputs)
