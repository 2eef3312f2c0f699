from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from emm.core.errors import ModelFileError, ParamsError
from emm.fusion.emm import EMM
from emm.fusion.pool import Pool
from emm.fusion.settings import VARIANTS, Start
from emm.fusion.start import load_pool_into
from tests.fusion.conftest import INPUTS
from tests.fusion.fused import build, moved, rows, states, step


def unlike(module: nn.Module, expected: dict[str, Tensor]) -> set[str]:
    """Names of the weights and statistics that aren't those of the pool."""
    return set(moved(module, expected))


def each(model: EMM, pool: Pool) -> list[tuple[nn.Module, dict[str, Tensor]]]:
    """The components of each network, and their weights in the pool."""
    return [
        (levels, pool.tensors_of(f"networks.{number}.levels"))
        for number, levels in enumerate(model.networks.members)
    ]


def learns(module: nn.Module) -> set[bool]:
    return {weight.requires_grad for weight in module.parameters()}


@pytest.mark.parametrize("variant", VARIANTS)
def test_all_trained_weights_are_loaded(mixed: Pool, variant: str) -> None:
    model = build(mixed, variant)
    assert all(unlike(levels, expected) == set() for levels, expected in each(model, mixed))
    for number, trees in enumerate(model.trees.members):
        assert unlike(trees, mixed.tensors_of(f"trees.{number}")) == set()
    if variant != "paper":
        fusion = model.fusion.members if variant == "stacked" else model.fusion
        for number, tower in enumerate(fusion.towers):
            assert unlike(tower, mixed.tensors_of(f"networks.{number}.tower")) == set()


def test_networks_are_frozen_and_towers_learn(mixed: Pool) -> None:
    model = build(mixed)
    assert learns(model.networks) == {False}
    assert learns(model.fusion.towers) == {True}


def test_fresh_networks_have_new_weights_and_learn(mixed: Pool) -> None:
    model = build(mixed, start=Start(networks="fresh"))
    for levels, expected in each(model, mixed):
        drawn = {name for name, value in expected.items() if value.dim() == 2}
        assert drawn <= unlike(levels, expected)
    assert learns(model.networks) == {True}
    before = states(model.networks)
    step(model)
    assert any(name.endswith("running_mean") for name in moved(model.networks, before))


def test_with_fresh_networks_towers_are_fresh_and_trees_are_trained(mixed: Pool) -> None:
    model = build(mixed, start=Start(networks="fresh"))
    for number, tower in enumerate(model.fusion.towers):
        assert "layers.0.weight" in unlike(tower, mixed.tensors_of(f"networks.{number}.tower"))
    for number, trees in enumerate(model.trees.members):
        assert unlike(trees, mixed.tensors_of(f"trees.{number}")) == set()


def test_fresh_embeddings_have_new_weights_and_learn(mixed: Pool) -> None:
    model = build(mixed, start=Start(embeddings="fresh"))
    table = "0.layers.0.table.weight"
    for levels, expected in each(model, mixed):
        assert unlike(levels, expected) == {table}
        free = {name for name, weight in levels.named_parameters() if weight.requires_grad}
        assert free == {table}
    before = states(model.networks)
    step(model)
    assert set(moved(model.networks, before)) == {f"members.{n}.{table}" for n in range(4)}


def test_fresh_embeddings_have_the_spread_of_the_trained_ones(mixed: Pool) -> None:
    tensors = {
        key: 5.0 * torch.randn(600, 2) if key.endswith("table.weight") else value
        for key, value in mixed.tensors.items()
    }
    model = EMM(
        replace(INPUTS, cardinalities=(597, 2, 1)), 2, variant="aligned", pool=mixed.describe()
    )
    # The changed cardinalities matter only to the networks.
    load_pool_into(model, replace(mixed, tensors=tensors), Start(embeddings="fresh"))
    for levels in model.networks.members:
        drawn = levels[0].layers[0].table.weight
        torch.testing.assert_close(drawn.std().item(), 5.0, rtol=0.1, atol=0)


def test_fresh_towers_have_new_weights_and_learn(mixed: Pool) -> None:
    model = build(mixed, start=Start(towers="fresh"))
    assert all(unlike(levels, expected) == set() for levels, expected in each(model, mixed))
    for number, tower in enumerate(model.fusion.towers):
        expected = mixed.tensors_of(f"networks.{number}.tower")
        assert {"layers.0.weight", "layers.4.weight"} <= unlike(tower, expected)
    assert learns(model.fusion.towers) == {True}


def test_frozen_towers_keep_the_weights_of_the_pool(mixed: Pool) -> None:
    model = build(mixed, start=Start(towers="frozen"))
    for _ in range(2):
        step(model)
    for number, tower in enumerate(model.fusion.towers):
        assert unlike(tower, mixed.tensors_of(f"networks.{number}.tower")) == set()
    assert learns(model.fusion.towers) == {False}


@pytest.mark.parametrize("kind", ["networks", "trees"])
def test_tensors_of_wrong_shape_are_rejected(mixed: Pool, kind: str) -> None:
    model = EMM(INPUTS, 2, variant="aligned", pool=mixed.describe())
    key = next(key for key in mixed.tensors if key.startswith(kind))
    broken = replace(mixed, tensors={**mixed.tensors, key: torch.zeros(1, 1, 1)})
    with pytest.raises(ModelFileError, match="don't fit"):
        load_pool_into(model, broken, Start())


def test_missing_tensors_are_rejected(mixed: Pool) -> None:
    model = EMM(INPUTS, 2, variant="aligned", pool=mixed.describe())
    tensors = {k: v for k, v in mixed.tensors.items() if not k.startswith("networks.0.tower")}
    with pytest.raises(ModelFileError, match=r"(?s)don't fit.*Missing"):
        load_pool_into(model, replace(mixed, tensors=tensors), Start())


def test_training_does_not_change_the_pool(mixed: Pool) -> None:
    before = {key: value.clone() for key, value in mixed.tensors.items()}
    model = build(mixed)
    model.unfreeze()
    step(model)
    assert all(torch.equal(value, before[key]) for key, value in mixed.tensors.items())
    assert model.eval()(*rows(3)).shape == (3, 2)


def test_towers_of_fresh_networks_cant_be_frozen() -> None:
    with pytest.raises(ParamsError, match="would stay random"):
        Start(networks="fresh", towers="frozen")
