import torch
from torch import Tensor, nn

from emm.fusion.layers import Component, trace_layers
from emm.models.single_task import SingleTask
from emm.nn.embedding import FeatureFront
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
    block = [True, True, False, False]
    assert [layer.weighted for layer in layers] == [True, *block, *block, *block, True]


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
