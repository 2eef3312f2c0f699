import pytest
import torch
from torch import nn

from emm.nn.mlp import count_parameters, mlp


def test_layers_lie_flat_in_the_fields_order():
    kinds = [type(layer) for layer in mlp(3, [5, 4], 0.2)]
    assert kinds == [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Dropout] * 2


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_shape(rows: int):
    assert mlp(3, [5, 4], 0.2).eval()(torch.randn(rows, 3)).shape == (rows, 4)


def test_no_widths_is_the_identity():
    x = torch.randn(5, 3)
    assert torch.equal(mlp(3, [], 0.2)(x), x)


def test_dropout_has_the_given_rate():
    assert [layer.p for layer in mlp(3, [5, 4], 0.2) if isinstance(layer, nn.Dropout)] == [0.2] * 2


def test_count_parameters_counts_frozen_weights_but_no_buffers():
    network = mlp(3, [5, 4], 0.2)
    network[0].requires_grad_(False)
    linear, norm = (3 * 5 + 5) + (5 * 4 + 4), 2 * 5 + 2 * 4
    assert count_parameters(network) == linear + norm
