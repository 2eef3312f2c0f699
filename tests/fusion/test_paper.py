import pytest
import torch
from torch import Tensor, nn

from emm.fusion.emm import EMM
from emm.fusion.pool import Pool
from emm.nn.mlp import UnequalLinear
from tests.fusion.fused import (
    build,
    of_task,
    plain_adapter,
    plain_lift,
    plain_shares,
    rows,
    step,
    without_gradient,
)
from tests.fusion.test_akf import plain_fusion, plain_within
from tests.models.conftest import plain_chain, plain_front


def plain_paper(model: EMM, pool: Pool, dense: Tensor, sparse: Tensor) -> Tensor:
    """Algorithm 2, with the lifted shares of trees among the components of each task."""
    tasks = len(pool.tasks)
    shares = plain_shares(pool, model.trees.levels, dense, sparse)
    z = torch.stack([plain_front(model.front, dense, sparse)] * tasks, dim=1)
    for level, fusion in enumerate(model.fusion.levels):
        found = []
        for number, member in enumerate(pool.members.networks):
            component = model.networks.members[number][level]
            if level == 0:
                found.append(component(dense, sparse))
            else:
                entry = model.fusion.entries[level - 1][number]
                found.append(component(plain_adapter(entry, z[:, member.task])))
        lifted = plain_lift(model.fusion.lifts[level], pool, found, shares[:, :, level])
        fuse = plain_within if fusion.merge is None else plain_fusion
        z = fuse(fusion, z, lifted)
    return torch.cat([plain_tower(model, z[:, task], task) for task in range(tasks)], dim=1)


def plain_tower(model: EMM, z: Tensor, task: int) -> Tensor:
    """The tower of one task; those of tasks of classes end in layers of their own."""
    *hidden, last = model.fusion.towers.layers
    if not isinstance(last, UnequalLinear):
        return plain_chain(model.fusion.towers.layers, z, task)
    return plain_adapter(last.layers[task], plain_chain(nn.Sequential(*hidden), z, task))


@pytest.mark.parametrize("count", [1, 5])
def test_it_equals_a_direct_implementation_of_algorithm_2(any_pool: Pool, count: int) -> None:
    model = build(any_pool, "paper").double().eval()
    dense, sparse = rows(count)
    dense = dense.double()
    expected = plain_paper(model, any_pool, dense, sparse)
    torch.testing.assert_close(model(dense, sparse), expected)


def test_without_merge_each_task_keeps_the_output_of_its_gates(mixed: Pool) -> None:
    model = build(mixed, "paper", merge=False).double().eval()
    dense, sparse = rows(5)
    dense = dense.double()
    expected = plain_paper(model, mixed, dense, sparse)
    torch.testing.assert_close(model(dense, sparse), expected)


@pytest.mark.parametrize("projections", ["linear", "linear-no-bias"])
def test_it_equals_the_algorithm_with_linear_projections(mixed: Pool, projections: str) -> None:
    model = build(mixed, "paper", projections=projections).double().eval()
    dense, sparse = rows(5)
    dense = dense.double()
    expected = plain_paper(model, mixed, dense, sparse)
    torch.testing.assert_close(model(dense, sparse), expected)


def test_trees_change_the_logit_of_their_task(mixed: Pool) -> None:
    model = build(mixed, "paper").eval()
    dense, sparse = rows(5)
    networks, trees = len(mixed.members.networks), len(mixed.members.trees)
    given = torch.zeros(5, trees * model.trees.levels + networks)
    first = of_task(mixed, "trees", 0)[0] * model.trees.levels
    other = given.clone()
    other[:, first] = 10.0
    gap = model(dense, sparse, given) - model(dense, sparse, other)
    assert gap[:, 0].abs().min() > 0


def test_gradients_reach_everything_that_learns(any_pool: Pool) -> None:
    model = build(any_pool, "paper")
    step(model)
    assert without_gradient(model) == []
