from dataclasses import replace

import torch
from torch import nn

from emm.fusion.layout import Layout, Lift, adapter

# Task 1 has no network, task 0 no trees; numbers are not in the order of tasks.
LAYOUT = Layout(
    networks=((2, 0), (), (1,)), trees=((), (1, 2), (0,)), widths=((3, 5), (4, 5), (3, 2))
)
ROWS = 6


def test_the_members_of_a_task_are_its_networks_and_trees() -> None:
    assert LAYOUT.counts == [2, 2, 2]


def test_a_level_has_the_width_of_its_widest_component() -> None:
    assert LAYOUT.level_widths == [4, 5]


def test_each_tree_ensemble_has_a_task() -> None:
    assert LAYOUT.task_of_share == [2, 1, 1]


def test_members_are_stacked_by_task_networks_first() -> None:
    networks = [torch.full((ROWS, 2), float(n)) for n in range(3)]
    trees = [torch.full((ROWS, 2), 10.0 + n) for n in range(3)]
    stacked = LAYOUT.by_task(networks, trees)
    assert [own.shape for own in stacked] == [(ROWS, 2, 2)] * 3
    assert [own[0, :, 0].tolist() for own in stacked] == [[2, 0], [11, 12], [1, 10]]


def test_a_task_may_have_no_trees() -> None:
    layout = Layout(networks=((0,), (1,)), trees=((), ()), widths=((3,), (3,)))
    found = [torch.rand(ROWS, 3) for _ in range(2)]
    lift = Lift(layout, 0)
    assert list(lift.parameters()) == []
    lifted = lift(found, torch.zeros(ROWS, 0))
    assert all(torch.equal(own[:, 0], made) for own, made in zip(lifted, found, strict=True))


def test_lift_adapts_narrow_networks_and_maps_each_tree_to_a_vector() -> None:
    torch.manual_seed(0)
    lift = Lift(LAYOUT, 0)
    found = [torch.rand(ROWS, own[0]) for own in LAYOUT.widths]
    shares = torch.rand(ROWS, 3)
    lifted = lift(found, shares)
    narrow, fits, _ = lift.adapters
    line = [shares[:, n, None] * lift.trees.weight[n, :, 0] + lift.trees.bias[n] for n in range(3)]
    expected = [
        [lift.adapters[2](found[2]), found[0] @ narrow.weight.T + narrow.bias],
        [line[1], line[2]],
        [found[1], line[0]],
    ]
    assert isinstance(fits, nn.Identity)
    for own, members in zip(lifted, expected, strict=True):
        torch.testing.assert_close(own, torch.stack(members, dim=1))


WITH_CLASSES = replace(LAYOUT, outputs=(2, 3, 1))


def test_members_have_the_outputs_of_their_tasks() -> None:
    assert WITH_CLASSES.network_outputs == [2, 1, 2]
    assert WITH_CLASSES.tree_outputs == [1, 3, 3]
    assert WITH_CLASSES.task_of_share == [2, 1, 1, 1, 1, 1, 1]
    assert (LAYOUT.network_outputs, LAYOUT.tree_outputs) == ([1, 1, 1], [1, 1, 1])


def test_lift_maps_the_shares_of_all_classes_to_one_vector() -> None:
    torch.manual_seed(0)
    lift = Lift(WITH_CLASSES, 0)
    shares = torch.rand(ROWS, 7)
    lifted = lift([torch.rand(ROWS, own[0]) for own in LAYOUT.widths], shares)
    for task, place, tree, columns in ((1, 0, 1, (1, 4)), (1, 1, 2, (4, 7)), (2, 1, 0, (0, 1))):
        own = shares[:, slice(*columns)]
        expected = own @ lift.trees[tree].weight.T + lift.trees[tree].bias
        torch.testing.assert_close(lifted[task][:, place], expected)


def test_an_adapter_is_linear_or_the_identity_if_widths_are_equal() -> None:
    x = torch.rand(ROWS, 3)
    assert adapter(3, 3)(x) is x
    assert adapter(3, 5)(x).shape == (ROWS, 5)
    assert not adapter(3, 5, bias=False)(torch.zeros(1, 3)).any()
