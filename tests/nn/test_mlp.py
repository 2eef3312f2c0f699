from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from emm.core.errors import ParamsError
from emm.nn.mlp import (
    GroupedBatchNorm,
    GroupedLinear,
    Towers,
    count_parameters,
    grouped_mlp,
    mlp,
)

ROWS, IN = 5, 3
GROUPS = 4


def test_layers_are_in_the_usual_order():
    kinds = [type(layer) for layer in mlp(3, [5, 4], 0.2)]
    assert kinds == [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Dropout] * 2


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_shape(rows: int):
    assert mlp(3, [5, 4], 0.2).eval()(torch.randn(rows, 3)).shape == (rows, 4)


def test_without_widths_it_is_the_identity():
    x = torch.randn(5, 3)
    assert torch.equal(mlp(3, [], 0.2)(x), x)


def test_dropout_has_the_given_rate():
    assert [layer.p for layer in mlp(3, [5, 4], 0.2) if isinstance(layer, nn.Dropout)] == [0.2] * 2


def test_count_parameters_counts_frozen_weights_but_no_buffers():
    network = mlp(3, [5, 4], 0.2)
    network[0].requires_grad_(False)
    linear, norm = (3 * 5 + 5) + (5 * 4 + 4), 2 * 5 + 2 * 4
    assert count_parameters(network) == linear + norm


def copy_into_groups(plain: Sequence[nn.Sequential], grouped: nn.Sequential) -> None:
    """Copy the weights and statistics of ``plain[g]`` to group g of ``grouped``."""
    for layer, *singles in zip(grouped, *plain, strict=True):
        if isinstance(layer, GroupedBatchNorm):
            layer, combine = layer.norm, torch.cat
        else:
            combine = torch.stack
        for name, tensor in layer.state_dict().items():
            parts = [single.state_dict()[name] for single in singles]
            tensor.copy_(combine(parts) if parts[0].dim() else parts[0])


def plain_networks(groups: int, widths: list[int], last: int | None = None) -> list[nn.Sequential]:
    networks = []
    for _ in range(groups):
        head = [] if last is None else [nn.Linear([IN, *widths][-1], last)]
        networks.append(nn.Sequential(*mlp(IN, widths, 0.0), *head).double())
        for norm in (layer for layer in networks[-1] if isinstance(layer, nn.BatchNorm1d)):
            for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
                nn.init.uniform_(tensor, 0.5, 1.5)
    return networks


def input_of(x: Tensor, group: int, groups: int) -> Tensor:
    if x.dim() == 2:
        return x
    return x[:, group // (groups // x.shape[1])]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("shape", [(IN,), (1, IN), (2, IN), (GROUPS, IN)])
def test_grouped_networks_equal_plain_ones(shape: tuple[int, ...], training: bool):
    plain = plain_networks(GROUPS, [6, 2])
    grouped = grouped_mlp(GROUPS, IN, [6, 2], 0.0).double()
    copy_into_groups(plain, grouped)
    x = torch.randn(ROWS, *shape, dtype=torch.double)
    output = grouped.train(training)(x)
    separate = [net.train(training)(input_of(x, g, GROUPS)) for g, net in enumerate(plain)]
    torch.testing.assert_close(output, torch.stack(separate, dim=1))


def test_running_statistics_equal_the_plain_ones():
    plain = plain_networks(GROUPS, [6])
    grouped = grouped_mlp(GROUPS, IN, [6], 0.0).double()
    copy_into_groups(plain, grouped)
    x = torch.randn(ROWS, GROUPS, IN, dtype=torch.double)
    grouped(x)
    for group, network in enumerate(plain):
        network(x[:, group])
    for name in ("running_mean", "running_var"):
        expected = torch.cat([getattr(network[1], name) for network in plain])
        torch.testing.assert_close(getattr(grouped[1].norm, name), expected)


@pytest.mark.parametrize("widths", [[], [6], [6, 2]])
@pytest.mark.parametrize("shape", [(IN,), (GROUPS, IN)])
@pytest.mark.parametrize("rows", [1, 5])
def test_towers_equal_plain_ones(rows: int, shape: tuple[int, ...], widths: list[int]):
    plain = plain_networks(GROUPS, widths, last=1)
    towers = Towers(GROUPS, IN, widths, 0.0).double().eval()
    copy_into_groups(plain, towers.layers)
    x = torch.randn(rows, *shape, dtype=torch.double)
    separate = [tower.eval()(input_of(x, task, GROUPS)) for task, tower in enumerate(plain)]
    torch.testing.assert_close(towers(x), torch.cat(separate, dim=1))


@pytest.mark.parametrize("widths", [[], [6]])
@pytest.mark.parametrize("shape", [(IN,), (3, IN)])
def test_towers_of_several_outputs_equal_plain_ones(shape: tuple[int, ...], widths: list[int]):
    outputs = (1, 4, 2)
    towers = Towers(3, IN, widths, 0.0, outputs).double().eval()
    plain = [mlp(IN, widths, 0.0).double().eval() for _ in outputs]
    copy_into_groups(plain, towers.layers[:-1])
    x = torch.randn(5, *shape, dtype=torch.double)
    found = towers(x).split(outputs, dim=1)
    for task, (hidden, last) in enumerate(zip(plain, towers.layers[-1].layers, strict=True)):
        torch.testing.assert_close(found[task], last(hidden(input_of(x, task, 3))))


def test_grouped_layers_have_the_positions_of_plain_ones():
    names = [(GroupedLinear, nn.Linear), (GroupedBatchNorm, nn.BatchNorm1d)]
    counterpart = dict(names)
    kinds = [counterpart.get(type(layer), type(layer)) for layer in grouped_mlp(2, 3, [5, 4], 0.1)]
    assert kinds == [type(layer) for layer in mlp(3, [5, 4], 0.1)]


@pytest.mark.parametrize("tensor", ["weight", "bias"])
def test_each_group_is_initialised_like_a_plain_layer(tensor: str):
    values = getattr(GroupedLinear(8, 100, 2000), tensor)
    plain = getattr(nn.Linear(100, 2000), tensor)
    for group in values:
        assert group.abs().max() <= 0.1
        assert group.abs().max().item() == pytest.approx(plain.abs().max().item(), rel=0.01)
        assert group.std().item() == pytest.approx(plain.std().item(), rel=0.05)


def test_a_grouped_layer_can_have_no_bias():
    layer = GroupedLinear(2, 3, 4, bias=False)
    assert list(layer.state_dict()) == ["weight"]
    assert not layer(torch.zeros(5, 3)).any()


def test_the_number_of_inputs_must_divide_the_number_of_groups():
    with pytest.raises(RuntimeError, match="unflatten"):
        GroupedLinear(4, 3, 3)(torch.randn(5, 3, 3))


def test_a_grouped_network_needs_a_layer():
    with pytest.raises(ParamsError, match="at least one hidden width"):
        grouped_mlp(2, 3, [], 0.0)
