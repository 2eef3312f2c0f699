import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from emm.core.errors import ModelFileError, ParamsError
from emm.fusion.emm import EMM
from emm.fusion.pool import Pool
from emm.fusion.settings import VARIANTS, Start
from tests.fusion.conftest import INPUTS
from tests.fusion.fused import KNOBS, build, moved, outputs_of, rows, states, step


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("count", [1, 5])
def test_each_row_gets_the_logits_of_all_tasks(any_pool: Pool, variant: str, count: int) -> None:
    logits = build(any_pool, variant).eval()(*rows(count))
    assert logits.shape == (count, sum(outputs_of(any_pool)) or len(any_pool.tasks))
    assert logits.isfinite().all()


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_description_from_json_builds_the_same_model(any_pool: Pool, variant: str) -> None:
    model = build(any_pool, variant).eval()
    description = json.loads(json.dumps(any_pool.describe()))
    knobs = {**KNOBS, "outputs": outputs_of(any_pool)}
    again = EMM(INPUTS, len(any_pool.tasks), variant=variant, pool=description, **knobs)
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.eval()(*rows(5)), model(*rows(5)))


@pytest.mark.parametrize("variant", ["paper", "aligned"])
@pytest.mark.parametrize("towers", ["trained", "frozen"])
def test_frozen_weights_and_statistics_do_not_change(
    any_pool: Pool, variant: str, towers: str
) -> None:
    model = build(any_pool, variant, Start(towers=towers))
    frozen = {"networks": model.networks, "trees": model.trees}
    if (variant, towers) == ("aligned", "frozen"):
        frozen["towers"] = model.fusion.towers
    before = {name: states(module) for name, module in frozen.items()}
    for _ in range(3):
        step(model)
    assert {name: moved(module, before[name]) for name, module in frozen.items()} == {
        name: [] for name in frozen
    }
    assert before["networks"]


def test_networks_stay_in_eval_mode(mixed: Pool) -> None:
    model = build(mixed).train()
    assert model.training
    assert not any(module.training for module in model.networks.members.modules())


@pytest.mark.parametrize("towers", ["trained", "frozen"])
def test_after_unfreezing_everything_learns_except_trees(any_pool: Pool, towers: str) -> None:
    model = build(any_pool, "aligned", Start(towers=towers))
    model.unfreeze()
    trees, networks = states(model.trees), states(model.networks)
    heads = states(model.fusion.towers)
    for _ in range(2):
        step(model)
    assert moved(model.trees, trees) == []
    # A bias before batch norm has no effect: only rounding changes it.
    for module, before in ((model.networks, networks), (model.fusion.towers, heads)):
        stayed = {*before} - {*moved(module, before)}
        assert {key for key in stayed if not key.endswith(".bias")} == set()


def test_the_networks_of_an_unfrozen_paper_variant_learn(mixed: Pool) -> None:
    model = build(mixed, "paper")
    model.unfreeze()
    before = states(model.networks)
    step(model)
    assert any(key.endswith("running_mean") for key in moved(model.networks, before))
    assert any(key.endswith("0.weight") for key in moved(model.networks, before))


@pytest.mark.parametrize("variant", VARIANTS)
def test_cached_shares_without_offsets_give_the_same_logits(any_pool: Pool, variant: str) -> None:
    model = build(any_pool, variant).eval()
    dense, sparse = rows(5)
    both = [model.trees(dense, sparse), model.whole(dense, sparse)]
    shares = torch.cat(both, dim=1).flatten(1)  # [B, S*C]
    cached = torch.cat([shares, torch.zeros(5, model.offsets)], dim=1)
    assert torch.equal(model(dense, sparse, cached), model(dense, sparse))


@pytest.mark.parametrize("variant", ["aligned", "ensemble"])
def test_an_offset_is_added_to_the_logit_of_its_network(mixed: Pool, variant: str) -> None:
    model = build(mixed, variant).eval()
    dense, sparse = rows(5)
    shares = model.trees(dense, sparse).flatten(1)
    offsets = torch.tensor([0.0, 6.0, 9.0, 0.0]).expand(5, -1)  # narrow: t0, t1; wide: t0, t1
    gap = model(dense, sparse, torch.cat([shares, offsets], dim=1)) - model(dense, sparse)
    # Gates start uniform over three members of the first task and four of the second.
    torch.testing.assert_close(gap, torch.tensor([[9 / 3, 6 / 4]]).expand(5, -1))


def test_offsets_do_not_reach_the_papers_wiring(mixed: Pool) -> None:
    """So it can't learn on out-of-fold predictions: `emm.fusion.rules` refuses that."""
    model = build(mixed, "paper").eval()
    dense, sparse = rows(5)
    shares = model.trees(dense, sparse).flatten(1)
    offsets = torch.full((5, model.offsets), 5.0)
    found = model(dense, sparse, torch.cat([shares, offsets], dim=1))
    assert torch.equal(found, model(dense, sparse))


@pytest.mark.parametrize(
    ("variant", "projections", "activated", "bias"),
    [
        ("paper", None, True, True),
        ("aligned", None, False, True),
        ("paper", "linear", False, True),
        ("paper", "linear-no-bias", False, False),
        ("aligned", "linear-no-bias", False, False),
    ],
)
def test_the_projections_of_a_merge_are_the_variants_or_those_named(
    mixed: Pool, variant: str, projections: str | None, activated: bool, bias: bool
) -> None:
    levels = build(mixed, variant, projections=projections).fusion.levels
    merges = [level.merge if variant == "paper" else level.fusion.merge for level in levels]
    found = {(merge.activated, merge.projections.bias is not None) for merge in merges}
    assert found == {(activated, bias)}


@pytest.mark.parametrize("encoding", ["scaled", "binned", "piecewise"])
def test_gates_can_read_encoded_dense_features(mixed: Pool, encoding: str) -> None:
    inputs = replace(INPUTS, edges=((0.0, 1.0), (0.5,), ()))
    arguments = {"pool": mixed.describe(), "dense_encoding": encoding}
    model = EMM(inputs, 2, variant="aligned", embedding_dim=2, **arguments)
    assert (model.front.numeric is None) == (encoding == "scaled")
    assert model.eval()(*rows(5)).shape == (5, 2)


def without(kind: str, *tasks: int) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda pool: {**pool, kind: [m for m in pool[kind] if m["task"] not in tasks]}


@pytest.mark.parametrize(
    ("change", "tasks", "message"),
    [
        (without("trees"), 3, "got: no model of task 3 among 7 models of 3 tasks"),
        (
            lambda pool: without("trees", 1)(without("networks", 1)(pool)),
            1,
            r"two tasks or more.*got: 1 task\n.*write `fused: \[\]` in params.yaml",
        ),
    ],
    ids=["a task without a member", "one task"],
)
def test_a_pool_that_can_not_be_fused_is_an_error(
    mixed: Pool, change: Callable[[dict[str, Any]], dict[str, Any]], tasks: int, message: str
) -> None:
    with pytest.raises(ParamsError, match=f"(?s)EMM fuses.*{message}"):
        EMM(INPUTS, tasks, variant="paper", pool=change(mixed.describe()), **KNOBS)


@pytest.mark.parametrize(
    ("variant", "settings"),
    [("paper", {}), ("aligned", {}), ("aligned", {"merge": False, "own_paths": False})],
)
def test_components_can_not_be_read_without_a_network_that_is_cut(
    mixed: Pool, variant: str, settings: dict[str, Any]
) -> None:
    pool = without("networks", 0, 1)(mixed.describe())
    with pytest.raises(ParamsError, match=r"no network that is cut(?s:.*)`variant: stacked`"):
        EMM(INPUTS, 2, variant=variant, pool=pool, **{**KNOBS, **settings})


def test_an_unknown_architecture_is_an_error(mixed: Pool) -> None:
    pool = mixed.describe()
    pool["networks"] = [{**member, "architecture": "os"} for member in pool["networks"]]
    with pytest.raises(ModelFileError, match="unknown architecture"):
        EMM(INPUTS, 2, variant="paper", pool=pool, **KNOBS)


@pytest.mark.parametrize(
    ("kind", "key", "message"),
    [
        ("networks", "levels", r"pool\.networks\[0\]\.levels: got 'x'"),
        ("trees", "sizes", r"pool\.trees\[0\]\.sizes: got 'x'"),
    ],
)
def test_a_damaged_description_is_an_error(mixed: Pool, kind: str, key: str, message: str) -> None:
    pool = mixed.describe()
    pool[kind][0][key] = "x"
    with pytest.raises(ModelFileError, match=message):
        EMM(INPUTS, 2, variant="paper", pool=pool, **KNOBS)


def test_fewer_parameters_learn_without_features(mixed: Pool) -> None:
    def learning(model: nn.Module) -> int:
        return sum(weight.numel() for weight in model.parameters() if weight.requires_grad)

    least = build(mixed, merge=False, constant_gates=True)
    assert learning(least) < learning(build(mixed, merge=False)) < learning(build(mixed))
