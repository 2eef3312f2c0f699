from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from emm.core.errors import DecompositionError, ModelFileError
from emm.fusion.build_pool import build_pool
from emm.fusion.emm import EMM
from emm.fusion.pool import Pool, load_pool, save_pool
from emm.fusion.settings import Start
from emm.fusion.start import load_pool_into
from emm.fusion.trained_models import (
    TrainedTrees,
    pipeline_networks,
    pipeline_trees,
)
from emm.outside.factories import trusting
from emm.outside.settings import OutsideModel
from emm.training.store import load_model
from tests.fusion.conftest import (
    INPUTS,
    SCHEMA,
    make_pool,
    pool_of_kind,
    save_boosted,
    save_trained,
    whole_network,
)
from tests.fusion.entries import load
from tests.fusion.fused import KNOBS, mean_logits, rows
from tests.fusion.native import save_native
from tests.fusion.outside import Deep, Shallow
from tests.trees.forest import random_ensemble

DEEP, SHALLOW = "tests.fusion.outside:Deep", "tests.fusion.outside:Shallow"
TASKS = ["t0", "t1"]


@pytest.fixture
def pool(tmp_path: Path, weights: dict[str, Path]) -> Pool:
    """Two own networks for each task and own trees, and two networks and one tree ensemble from
    outside."""
    folders = save_trained(tmp_path / "models", 2, ("narrow", "wide"))
    entries = {
        "deep": OutsideModel("t0", factory=DEEP, weights=str(weights[DEEP])),
        "shallow": OutsideModel("t1", factory=SHALLOW, weights=str(weights[SHALLOW]), tower="head"),
        "boosted": OutsideModel("t1", model=str(save_native(tmp_path, "lightgbm"))),
    }
    with trusting([DEEP, SHALLOW]):
        outside = load(entries)
    networks = [*pipeline_networks(folders, TASKS, SCHEMA, "seed-0"), *outside.networks]
    boosted = save_boosted(tmp_path / "models", 2)
    trees = [*pipeline_trees(boosted, TASKS, SCHEMA, "seed-0"), *outside.trees]
    return build_pool(networks, trees, INPUTS, TASKS, SCHEMA, 0)


def test_members_include_own_and_outside_networks_and_trees(
    pool: Pool, weights: dict[str, Path]
) -> None:
    networks = [member.name.rsplit("/", 1)[-1] for member in pool.members.networks]
    assert networks == ["t0", "t1", "t0", "t1", "deep", "shallow"]
    trees = [member.name.rsplit("/", 1)[-1] for member in pool.members.trees]
    assert trees == ["t0", "t1", "boosted"]
    assert [member.task for member in pool.members.trees] == [0, 1, 1]


def test_models_of_different_depth_are_cut_into_the_same_levels(pool: Pool) -> None:
    assert {len(member.levels) for member in pool.members.networks} == {2}
    assert {member.widths for member in pool.members.networks} == {(8, 8)}
    deep, shallow = pool.members.networks[-2:]
    assert deep.tower == ("out",)
    assert shallow.tower == ("head.0", "head.1", "head.2")
    assert deep.levels[0][:3] == ("embed", "in_layer", "act")


def test_the_parts_of_an_outside_model_together_give_its_output(
    pool: Pool, weights: dict[str, Path]
) -> None:
    x = rows(5)
    for number, (factory, model) in enumerate(((DEEP, Deep), (SHALLOW, Shallow)), start=4):
        original = model(INPUTS)
        original.load_state_dict(load_file(weights[factory]))
        with trusting([factory]):
            cut = pool.members.networks[number].build(INPUTS).eval()
        cut.load_state_dict(pool.tensors_of(f"networks.{number}"))
        assert torch.equal(cut(*x), original.eval()(*x))


@pytest.mark.parametrize("variant", ["paper", "aligned"])
def test_a_stored_pool_with_outside_models_can_be_fused(
    pool: Pool, tmp_path: Path, variant: str
) -> None:
    save_pool(pool, tmp_path / "pool")
    again = load_pool(tmp_path / "pool", SCHEMA)
    x = rows(5)
    with trusting([DEEP, SHALLOW]):
        model = EMM(INPUTS, 2, variant=variant, pool=again.describe(), **KNOBS)
        mean = mean_logits(again, *x)
    load_pool_into(model, again, Start())
    logits = model.eval()(*x)
    assert logits.shape == (5, 2)
    if variant == "aligned":
        torch.testing.assert_close(logits, mean)


def test_a_stored_pool_runs_no_code_that_is_not_trusted(pool: Pool) -> None:
    error = pytest.raises(ModelFileError, match=r"wants to run tests\.fusion\.outside:Shallow")
    with trusting([DEEP]), error:
        EMM(INPUTS, 2, variant="paper", pool=pool.describe(), **KNOBS)


def test_the_error_for_a_missing_tower_names_the_layers(weights: dict[str, Path]) -> None:
    entry = OutsideModel("t0", factory=DEEP, weights=str(weights[DEEP]), tower="top")
    with trusting([DEEP]):
        networks = load({"deep": entry}).networks
    with pytest.raises(DecompositionError, match=r"(?s)got: embed -> in_layer.*then top"):
        build_pool(networks, [], INPUTS, TASKS, SCHEMA, 0)


def test_two_structures_per_task_make_three_levels_of_width_8() -> None:
    members = pool_of_kind(3, "networks").members.networks
    assert {member.widths for member in members} == {(8, 8, 8)}
    assert [member.task for member in members] == [0, 1, 2] * 2


def test_the_front_stays_with_the_first_component_even_if_all_models_share_it() -> None:
    members = pool_of_kind(2, "networks").members.networks
    narrow = members[0]
    assert narrow.arguments["embedding_dim"] == members[-1].arguments["embedding_dim"]
    assert narrow.levels[0] == ("front", *(f"blocks.0.{n}" for n in range(8)))


@pytest.mark.parametrize("adapt", [True, False])
def test_the_parts_of_a_member_together_give_the_output_of_its_model(
    tmp_path: Path, adapt: bool
) -> None:
    pool = make_pool(tmp_path, 2, ("narrow", "slim" if adapt else "wide"), adapt=adapt)
    for number, member in enumerate(pool.members.networks):
        structure, task = member.name.split("/")
        model, _ = load_model(tmp_path / structure / "seed-0" / task, SCHEMA)
        cut = member.build(INPUTS).eval()
        cut.load_state_dict(pool.tensors_of(f"networks.{number}"))
        assert torch.equal(cut(*rows(5)), model(*rows(5)))


def test_with_an_adapter_networks_keep_their_own_widths(tmp_path: Path) -> None:
    pool = make_pool(tmp_path, 2, ("narrow", "slim"), adapt=True)
    assert {m.name: m.widths for m in pool.members.networks} == {
        "narrow/t0": (8, 8, 8),
        "narrow/t1": (8, 8, 8),
        "slim/t0": (6, 5, 7),
        "slim/t1": (6, 5, 7),
    }


def test_networks_without_a_common_layer_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(DecompositionError, match=r"narrow/t0 and odd/t0"):
        make_pool(tmp_path, 2, ("narrow", "odd"))


def test_a_pool_of_only_trees_has_one_level() -> None:
    trees = [TrainedTrees("gbdt/t0", 0, random_ensemble(3, 9, 0, INPUTS), "")]
    pool = build_pool([], trees, INPUTS, TASKS, SCHEMA, 0)
    assert pool.members.levels == 1
    assert [each.name for each in pool.members.all] == ["gbdt/t0"]


def test_a_pool_without_members_is_an_error() -> None:
    with pytest.raises(DecompositionError, match="the pool has no members"):
        build_pool([], [], INPUTS, TASKS, SCHEMA, 0)


def test_a_network_that_is_not_cut_keeps_its_weights() -> None:
    network = whole_network("tabm", 1)
    pool = build_pool([], [], INPUTS, TASKS, SCHEMA, 0, whole=[network])
    state = network.model.state_dict()
    assert pool.tensors_of("whole.0").keys() == state.keys()
    assert all(torch.equal(pool.tensors[f"whole.0.{key}"], state[key]) for key in state)
    assert pool.members.whole[0].architecture == "tabm"
