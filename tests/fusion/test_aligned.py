from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from emm.fusion.emm import EMM
from emm.fusion.pool import Pool
from emm.fusion.settings import Start
from tests.fusion.conftest import make_pool
from tests.fusion.fused import (
    build,
    mean_logits,
    of_task,
    plain_adapter,
    plain_lift,
    plain_shares,
    rows,
    shares_of,
    step,
    without_gradient,
)
from tests.fusion.test_akf import plain_fusion, plain_within
from tests.models.conftest import plain_front, plain_softmax

EXACT = [
    {},
    {"projections": "linear-no-bias"},
    {"constant_gates": True},
    {"merge": False},
    {"merge": False, "constant_gates": True},
]


@pytest.mark.parametrize("settings", EXACT, ids=str)
def test_it_starts_as_the_mean_of_the_members_logits(
    any_pool: Pool, settings: dict[str, Any]
) -> None:
    dense, sparse = rows(5)
    dense = dense.double()
    model = build(any_pool, **settings).double().eval()
    torch.testing.assert_close(model(dense, sparse), mean_logits(any_pool, dense, sparse))


def test_it_starts_as_the_mean_for_a_single_row(mixed: Pool) -> None:
    x = rows(1)
    torch.testing.assert_close(build(mixed).eval()(*x), mean_logits(mixed, *x))


@pytest.mark.parametrize("merge", [True, False])
@pytest.mark.parametrize("grown", [[], [1]], ids=["networks", "a network and trees"])
def test_without_own_paths_a_task_with_one_model_starts_as_that_model(
    tmp_path: Path, grown: list[int], merge: bool
) -> None:
    without = ["narrow/t1"] if grown else []
    pool = make_pool(tmp_path, 2, ("narrow",), grown=grown, without=without)
    model = build(pool, own_paths=False, merge=merge).eval()
    x = rows(5)
    torch.testing.assert_close(model(*x), mean_logits(pool, *x))


@pytest.mark.parametrize("settings", [{"zero_merge": False}, {"uniform_gates": False}], ids=str)
def test_with_random_gates_or_merge_it_does_not_start_as_the_ensemble(
    mixed: Pool, settings: dict[str, bool]
) -> None:
    x = rows(5)
    gap = build(mixed, **settings).eval()(*x) - mean_logits(mixed, *x)
    assert (gap.abs() > 1e-4).any()


def plain_paths(model: EMM, pool: Pool, x: Tensor, raw: tuple[Tensor, Tensor]) -> list[Tensor]:
    """The members' logits by task [B, M, C] after all levels, computed directly."""
    tasks = len(pool.tasks)
    read = torch.stack([x] * tasks, dim=1)
    shares = plain_shares(pool, model.trees.levels, *raw)
    trees = shares.sum(2)
    u: dict[int, tuple[Tensor, ...]] = dict.fromkeys(range(len(pool.members.networks)), raw)
    for number, level in enumerate(model.fusion.levels):
        h = [model.networks.members[n][number](*u[n]) for n in u]
        lifted = plain_lift(level.lift, pool, h, shares[:, :, number])
        z = plain_fusion(level.fusion, read, lifted)
        within = plain_within(level.fusion, read, lifted)
        for n, member in enumerate(pool.members.networks):
            own = z[:, member.task] + (0 if level.own_paths else within[:, member.task])
            back = plain_adapter(level.returns[n], own)
            u[n] = (h[n] + back if level.own_paths else back,)
        for n, member in enumerate(pool.members.shared):
            of_tree = shares_of(pool, n)
            trees[:, of_tree] += z[:, member.task] @ level.reading.weight[of_tree, 0].T
    logits = [tower(*u[n]) for n, tower in enumerate(model.fusion.towers)]
    return [
        torch.stack(
            [logits[n] for n in of_task(pool, "networks", task)]
            + [trees[:, shares_of(pool, n)] for n in of_task(pool, "shared", task)],
            dim=1,
        )
        for task in range(tasks)
    ]


@pytest.mark.parametrize("own_paths", [True, False])
def test_it_equals_a_direct_implementation(any_pool: Pool, own_paths: bool) -> None:
    model = build(any_pool, own_paths=own_paths).double().eval()
    with torch.no_grad():
        for parameter in model.fusion.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    dense, sparse = rows(5)
    dense = dense.double()
    x = plain_front(model.front, dense, sparse)
    paths = plain_paths(model, any_pool, x, (dense, sparse))
    expected = []
    for gate, logits in zip(model.fusion.gates, paths, strict=True):
        weights = [plain_softmax(gate.weight @ row + gate.bias) for row in x]
        pairs = zip(weights, logits, strict=True)
        expected.append(torch.stack([own @ members for own, members in pairs]))
    torch.testing.assert_close(model(dense, sparse), torch.cat(expected, dim=1))


def test_at_first_corrections_towers_and_last_gates_learn(mixed: Pool) -> None:
    model = build(mixed)
    step(model)
    for level in model.fusion.levels:
        values = level.fusion.merge.projections.weight.grad.chunk(3, dim=1)[2]
        assert values.abs().amax(dim=(1, 2)).min() > 0
    held = without_gradient(model)
    assert not any(name.startswith(("fusion.towers", "fusion.gates")) for name in held)
    # Both lie behind a correction that is still zero.
    assert {name for name in held if ".lift." in name or ".reading." in name} == {
        f"fusion.levels.{level}.{name}"
        for level in range(3)
        for name in ("lift.trees.weight", "lift.trees.bias", "reading.weight")
    }


@pytest.mark.parametrize("own_paths", [True, False])
def test_then_gradients_reach_everything_that_can_learn(any_pool: Pool, own_paths: bool) -> None:
    model = build(any_pool, own_paths=own_paths)
    for _ in range(3):
        step(model)
    assert without_gradient(model) == []


def test_without_merge_and_own_paths_everything_that_networks_read_learns(mixed: Pool) -> None:
    model = build(mixed, own_paths=False, merge=False)
    for _ in range(3):
        step(model)
    assert without_gradient(model) == []


def test_constant_gates_without_merge_need_no_features(mixed: Pool) -> None:
    model = build(mixed, merge=False, constant_gates=True)
    assert model.front is None
    learning = {name for name, weight in model.named_parameters() if weight.requires_grad}
    gates = {"fusion.gates.0.scores", "fusion.gates.1.scores"}
    assert {name for name in learning if "towers" not in name} == gates


@pytest.mark.parametrize("settings", [{}, {"merge": False}, {"constant_gates": True}], ids=str)
def test_other_variants_read_features(mixed: Pool, settings: dict[str, bool]) -> None:
    assert build(mixed, **settings).front is not None


def test_constant_gates_learn_to_trust_the_member_that_knows_the_labels(tmp_path: Path) -> None:
    pool = make_pool(tmp_path, 2, ("narrow",), grown=[0, 1])
    model = build(pool, start=Start(towers="frozen"), merge=False, constant_gates=True)
    dense, sparse = rows(500)
    # The trees rank the labels well; noise is added to the networks.
    known, noise = 3 * torch.randn(500, 2), 3 * torch.randn(500, 2)
    labels = (known + torch.randn(500, 2) > 0).float()
    levels = model.trees.levels  # each has an equal share in the logits of the trees
    given = torch.cat([(known / levels).repeat_interleave(levels, dim=1), noise], dim=1)
    learning = [weight for weight in model.parameters() if weight.requires_grad]
    optimiser = torch.optim.Adam(learning, lr=0.1)
    for _ in range(60):
        loss = binary_cross_entropy_with_logits(model(dense, sparse, given), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    for gate in model.fusion.gates:
        network, trees = gate.scores.softmax(0).tolist()
        assert trees > 0.85 > network
