import torch
from torch import Tensor, nn

from emm.fusion.frozen_modules import FreezableList, Networks, Trees
from tests.fusion.conftest import INPUTS
from tests.fusion.fused import moved, rows, states
from tests.trees.forest import random_ensemble


def block() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))


def learn(module: nn.Module, layers: nn.Module) -> None:
    """One step in train mode, if anything is trainable."""
    module.train()
    loss = layers(torch.randn(8, 3)).square().sum()
    learning = [weight for weight in module.parameters() if weight.requires_grad]
    if learning:
        loss.backward()
        torch.optim.SGD(learning, lr=0.1).step()


def test_modules_learn_until_they_are_frozen() -> None:
    modules = FreezableList([block()])
    before = states(modules)
    learn(modules, modules[0])
    assert set(moved(modules, before)) == set(before)


def test_frozen_modules_keep_weights_and_statistics_in_train_mode() -> None:
    modules = FreezableList([block()]).freeze()
    before = states(modules)
    learn(modules, modules[0])
    assert moved(modules, before) == []
    assert not modules[0].training


def test_a_frozen_submodule_stays_in_eval_mode() -> None:
    outer = nn.ModuleDict({"frozen": FreezableList([block()]).freeze(), "free": block()})
    outer.train()
    assert not outer["frozen"][0][1].training
    assert outer["free"][1].training


def test_unfrozen_modules_learn_again() -> None:
    modules = FreezableList([block()]).freeze()
    modules.unfreeze()
    before = states(modules)
    learn(modules, modules[0])
    assert set(moved(modules, before)) == set(before)


def test_networks_run_one_component_and_are_frozen() -> None:
    levels = [nn.ModuleList([nn.Linear(2, 3), nn.Linear(3, 4)]) for _ in range(2)]
    networks = Networks(levels)
    x = torch.rand(5, 3)
    assert torch.equal(networks(1, 1, x), levels[1][1](x))
    assert not any(weight.requires_grad for weight in networks.parameters())


def test_trees_return_the_share_of_each_level_in_the_type_of_the_rows() -> None:
    ensembles = [random_ensemble(count, 9, count, INPUTS) for count in (3, 7)]
    dense, sparse = rows(5)
    shares: Tensor = Trees(ensembles, 3)(dense, sparse)
    assert (shares.shape, shares.dtype) == ((5, 2, 3), torch.float32)
    for number, ensemble in enumerate(ensembles):
        torch.testing.assert_close(shares[:, number], ensemble.shares(dense, sparse, 3).float())


def test_without_trees_there_are_no_shares() -> None:
    assert Trees([], 3)(*rows(5)).shape == (5, 0, 3)


def test_trees_have_no_parameters() -> None:
    assert list(Trees([random_ensemble(3, 9, 0, INPUTS)], 2).parameters()) == []
