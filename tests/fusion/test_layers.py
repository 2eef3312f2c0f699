import torch

from emm.fusion.layers import Component, chain, describe_chain
from emm.fusion.pool import TRUNK
from emm.models.single_task import SingleTask
from tests.fusion.conftest import INPUTS, STRUCTURES


def test_a_models_layers_come_in_execution_order_with_their_shapes() -> None:
    model = SingleTask(INPUTS, **{**STRUCTURES["wide"], "blocks": [[16, 8]]})
    layers = describe_chain(chain(model, TRUNK), INPUTS)
    assert [layer.name for layer in layers] == ["front", *(f"blocks.0.{n}" for n in range(8))]
    assert [str(layer.structure) for layer in layers[:3]] == [
        "FeatureFront [3], [3] -> [9]",
        "Linear [9] -> [16]",
        "BatchNorm1d [16] -> [16]",
    ]
    block = [True, True, False, False]
    assert [layer.weighted for layer in layers] == [True, *block, *block]


def test_structures_differ_in_shape_and_hyper_parameters() -> None:
    narrow, wide = (
        describe_chain(chain(SingleTask(INPUTS, **STRUCTURES[name]), TRUNK), INPUTS)
        for name in ("narrow", "wide")
    )
    assert narrow[1].structure != wide[1].structure
    assert narrow[6].structure == wide[6].structure


def test_a_component_calls_its_layers_in_turn() -> None:
    first, second = torch.nn.Bilinear(2, 3, 4), torch.nn.Linear(4, 1)
    x, y = torch.rand(5, 2), torch.rand(5, 3)
    assert torch.equal(Component([first, second])(x, y), second(first(x, y)))
