"""Where real networks are cut."""

from collections.abc import Callable

import pytest
from torch import Tensor, nn

from emm.fusion.build_pool import build_pool
from emm.fusion.trained_models import TrainedNetwork
from emm.models.single_task import SingleTask
from tests.fusion.conftest import INPUTS, SCHEMA
from tests.fusion.outside import Shallow


class Chain(nn.Module):
    """An outside model: the embeddings of `Shallow`, ``trunk``, and a last layer."""

    def __init__(self, trunk: nn.Sequential, *last: nn.Module) -> None:
        super().__init__()
        self.embed, self.trunk = Shallow(INPUTS).embed, trunk
        self.last = nn.Sequential(*last or (nn.Linear(8, 1),))

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        return self.last(self.trunk(self.embed(dense, sparse)))


def levels_of(*models: nn.Module, adapt: bool = False) -> list[tuple[tuple[str, ...], ...]]:
    """The layers of each model by level, without the front; the layers of `trunk` by number."""
    networks = [TrainedNetwork(f"{n}", 0, x, "", {}, None, "") for n, x in enumerate(models)]
    members = build_pool(networks, [], INPUTS, ["t"], SCHEMA, 0, adapt=adapt).members.networks
    return [
        tuple(tuple(x.removeprefix("trunk.") for x in level if x != "embed") for level in x.levels)
        for x in members
    ]


def two_layers(norm: type[nn.Module], activation: type[nn.Module]) -> nn.Module:
    return Chain(
        nn.Sequential(
            nn.Linear(9, 8), norm(8), activation(), nn.Linear(8, 8), norm(8), activation()
        )
    )


def pre_norm() -> nn.Module:
    layers = (nn.BatchNorm1d(9), nn.Linear(9, 8), nn.ReLU(), nn.LayerNorm(8), nn.Linear(8, 8))
    return Chain(nn.Sequential(*layers, nn.ReLU()))


def without_norm() -> nn.Module:
    return Chain(nn.Sequential(nn.Linear(9, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU()))


def convolutions() -> nn.Module:
    layers = (nn.Unflatten(1, (1, 9)), nn.Conv1d(1, 2, 3), nn.ReLU(), nn.Conv1d(2, 2, 3), nn.ReLU())
    return Chain(nn.Sequential(*layers, nn.Flatten(), nn.Linear(10, 8), nn.Tanh()))


@pytest.mark.parametrize(
    ("build", "cuts"),
    [
        (lambda: two_layers(nn.LayerNorm, nn.GELU), ("012", "345")),
        (lambda: two_layers(nn.RMSNorm, nn.SiLU), ("012", "345")),
        (pre_norm, ("0123", "45")),
        (without_norm, ("01", "23")),
        (convolutions, ("012345", "67")),
    ],
    ids=["layer norm and gelu", "rms norm and silu", "norm first", "no norm", "convolutions"],
)
def test_networks_of_equal_structure_are_cut_after_each_linear_layer(
    build: Callable[[], nn.Module], cuts: tuple[str, ...]
) -> None:
    assert levels_of(build(), build()) == [tuple(map(tuple, cuts))] * 2


@pytest.mark.parametrize("rates", [(0.1, 0.1), (0.1, 0.2), (0.0, 0.3)])
def test_the_rate_of_dropout_changes_no_cut(rates: tuple[float, float]) -> None:
    blocks = [[32, 32], [32, 32]]
    models = (SingleTask(INPUTS, blocks=blocks, tower=[], dropout=rate) for rate in rates)
    assert [len(levels) for levels in levels_of(*models)] == [4, 4]


def test_layers_of_widths_that_only_one_model_has_are_not_cut_apart() -> None:
    shapes = ([[32, 32], [32, 32]], [[128, 32], [128, 32]])
    models = (SingleTask(INPUTS, blocks=blocks, tower=[]) for blocks in shapes)
    assert [len(levels) for levels in levels_of(*models)] == [2, 2]


def test_with_an_adapter_a_deeper_network_is_cut_at_the_same_shares_of_its_depth() -> None:
    shapes = ([[6], [5], [7]], [[8, 8]] * 3)
    models = (SingleTask(INPUTS, blocks=blocks, tower=[]) for blocks in shapes)
    sizes = [[len(level) for level in levels] for levels in levels_of(*models, adapt=True)]
    assert sizes == [[5, 4, 4], [9, 8, 8]]  # the first one with the front


def test_an_undeclared_tower_begins_at_the_last_linear_layer() -> None:
    scaled = Chain(without_norm().trunk, nn.Linear(8, 1), nn.BatchNorm1d(1))
    assert levels_of(scaled) == [(("0", "1"), ("2", "3"))]
