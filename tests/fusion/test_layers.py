import pytest
import torch
from torch import Tensor, nn

from emm.fusion.layers import Component, trace_layers
from emm.models.single_task import SingleTask
from emm.nn.embedding import FeatureFront
from emm.nn.structure import Layer
from tests.fusion.conftest import INPUTS, STRUCTURES


def test_layers_are_in_execution_order_with_their_shapes() -> None:
    model = SingleTask(INPUTS, **{**STRUCTURES["wide"], "blocks": [[16, 8]]})
    layers = trace_layers(model, INPUTS)
    trunk, tower = [f"blocks.0.{n}" for n in range(8)], [f"tower.{n}" for n in range(5)]
    assert [layer.name for layer in layers] == ["front", *trunk, *tower]
    assert [str(layer.structure) for layer in layers[:3]] == [
        "FeatureFront [3], [3] -> [9]",
        "Linear [9] -> [16]",
        "BatchNorm1d [16] -> [16]",
    ]
    block = [True, False, False, False]
    assert [layer.linear for layer in layers] == [True, *block, *block, *block, True]


def test_structures_differ_in_shape_and_hyper_parameters() -> None:
    narrow, wide = (
        trace_layers(SingleTask(INPUTS, **STRUCTURES[name]), INPUTS) for name in ("narrow", "wide")
    )
    assert narrow[1].structure != wide[1].structure
    assert narrow[6].structure == wide[6].structure


class Outside(nn.Module):
    """An outside model: other names, attributes called in turn, a reused activation."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = FeatureFront(INPUTS, 2)
        self.act = nn.ReLU()
        self.one = nn.Linear(9, 8)
        self.rest = nn.Sequential(nn.Linear(8, 8), nn.Sequential(self.act, nn.Linear(8, 1)))

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        return self.rest(self.act(self.one(self.embed(dense, sparse))))


class Functional(Outside):
    """The same with a functional call between its layers."""

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        return self.rest(self.one(self.embed(dense, sparse)).relu())


class Skip(nn.Module):
    """A branch: the input is added to the output."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x)


def test_attributes_called_in_turn_and_nested_sequentials_become_layers() -> None:
    names = [layer.name for layer in trace_layers(Outside(), INPUTS)]
    assert names == ["embed", "one", "act", "rest.0", "act", "rest.1.1"]


def test_a_model_with_a_functional_call_is_one_layer() -> None:
    assert [layer.name for layer in trace_layers(Functional(), INPUTS)] == [""]


def test_a_module_with_branches_is_one_layer() -> None:
    outer = Outside()
    outer.one = nn.Sequential(nn.Linear(9, 8), Skip(8), Skip(8))
    names = [layer.name for layer in trace_layers(outer, INPUTS)]
    assert names == ["embed", "one.0", "one.1", "one.2", "act", "rest.0", "act", "rest.1.1"]


def layer_of(module: nn.Module) -> Layer:
    """``module`` as a layer that reads vectors of width 8."""
    outer = Outside()
    outer.act = module
    return trace_layers(outer, INPUTS)[2]


class OwnNorm(nn.Module):
    """A normalisation that is none of torch's, with a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.LayerNorm((1, 8))  # a weight of two dimensions
        self.scale = nn.Parameter(torch.ones(8))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * self.inner(x.unsqueeze(1)).squeeze(1)


@pytest.mark.parametrize(
    "module",
    [
        nn.BatchNorm1d(8),
        nn.LayerNorm(8),
        nn.GroupNorm(2, 8),
        nn.RMSNorm(8),
        nn.InstanceNorm1d(2, affine=True),  # takes the two rows for two channels
        OwnNorm(),
        nn.PReLU(8),
        nn.GELU(),
        nn.Identity(),
    ],
    ids=lambda module: type(module).__name__,
)
def test_norms_and_activations_are_not_linear_like(module: nn.Module) -> None:
    assert not layer_of(module).linear


@pytest.mark.parametrize(
    "module",
    [
        nn.Linear(8, 8),
        Skip(8),
        nn.utils.parametrizations.weight_norm(nn.Linear(8, 8)),
        nn.Conv1d(2, 2, 3, padding=1),  # takes the two rows for two channels
    ],
    ids=["Linear", "residual block", "weight norm", "convolution"],
)
def test_layers_that_mix_features_are_linear_like(module: nn.Module) -> None:
    assert layer_of(module).linear


@pytest.mark.filterwarnings("ignore:dropout.d")  # they are meant for images
@pytest.mark.parametrize(
    "kind",
    [
        nn.Dropout,
        nn.AlphaDropout,
        nn.FeatureAlphaDropout,
        nn.Dropout1d,
        nn.Dropout2d,
        nn.Dropout3d,
    ],
)
def test_the_rate_of_a_dropout_is_no_structure(kind: type[nn.Dropout]) -> None:
    assert layer_of(kind(0.1)).structure == layer_of(kind(0.2, inplace=True)).structure


@pytest.mark.parametrize("kind", [nn.ReLU, nn.ELU, nn.LeakyReLU, nn.ReLU6, nn.Hardtanh, nn.SiLU])
def test_inplace_is_no_structure(kind: type[nn.ReLU]) -> None:
    assert layer_of(kind(inplace=True)).structure == layer_of(kind()).structure


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (nn.LeakyReLU(0.1, inplace=True), nn.LeakyReLU(0.2, inplace=True)),
        (nn.BatchNorm1d(8, eps=1e-3), nn.BatchNorm1d(8)),
        (nn.BatchNorm1d(8, momentum=0.01), nn.BatchNorm1d(8)),
        (nn.Linear(8, 8, bias=False), nn.Linear(8, 8)),
    ],
    ids=["slope", "eps", "momentum", "bias"],
)
def test_other_hyper_parameters_are_structure(left: nn.Module, right: nn.Module) -> None:
    assert layer_of(left).structure != layer_of(right).structure


def test_the_model_is_not_changed() -> None:
    model = SingleTask(INPUTS, **STRUCTURES["narrow"]).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    trace_layers(model, INPUTS)
    assert model.training
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    hooked = [m for m in model.modules() if m._forward_hooks or m._forward_pre_hooks]
    assert hooked == []


def test_a_component_calls_its_layers_in_turn() -> None:
    first, second = torch.nn.Bilinear(2, 3, 4), torch.nn.Linear(4, 1)
    x, y = torch.rand(5, 2), torch.rand(5, 3)
    assert torch.equal(Component([first, second])(x, y), second(first(x, y)))
