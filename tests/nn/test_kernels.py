"""Compiled steps against plain steps, in float64, where only the order of sums differs.

The backend runs the traced graph itself, so that no C++ compiler is needed.
"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from emm.nn.gates import mix
from emm.nn.kernels import compiled_on_cpu, take_rows
from emm.nn.mlp import NARROW, GroupedLinear

Function = Callable[..., Tensor]


def traced(function: Function) -> Function:
    torch.compiler.reset()
    return torch.compile(function, backend="aot_eager", dynamic=False, fullgraph=True)


def with_gradients(function: Function, *inputs: Tensor) -> list[Tensor]:
    """The result, and the gradient of a weighted sum of it for each floating-point input."""
    leaves = [x.detach().clone().requires_grad_(x.is_floating_point()) for x in inputs]
    result = function(*leaves)
    positions = torch.arange(result.numel(), dtype=result.dtype).view_as(result)
    (result * positions.cos()).sum().backward()
    return [result.detach(), *(x.grad for x in leaves if x.grad is not None)]


def assert_same(function: Function, *inputs: Tensor) -> None:
    plain, compiled = with_gradients(function, *inputs), with_gradients(traced(function), *inputs)
    assert len(plain) == len(compiled) > 1
    for expected, found in zip(plain, compiled, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.filterwarnings("ignore")  # from modules that torch.compile imports
def test_only_compiled_steps_are_recognised():
    assert not compiled_on_cpu(torch.zeros(1))
    seen: list[bool] = []

    def step(x: Tensor) -> Tensor:
        seen.append(compiled_on_cpu(x))
        return x + 1

    traced(step)(torch.zeros(1))
    assert seen == [True]


@pytest.mark.filterwarnings("ignore")
def test_mixing_is_the_same_when_compiled():
    generator = torch.Generator().manual_seed(0)
    weights = torch.rand(7, 2, 5, generator=generator, dtype=torch.float64)
    assert_same(mix, weights, torch.rand(7, 5, 3, generator=generator, dtype=torch.float64))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(7, 4), (7, 3, 4), (7, 6, 4), (7, 3, NARROW + 1)])
def test_grouped_layers_are_the_same_when_compiled(shape: tuple[int, ...], bias: bool):
    layer = GroupedLinear(6, shape[-1], 2, bias=bias).double()
    names, values = zip(*layer.named_parameters(), strict=True)

    def apply(x: Tensor, *parameters: Tensor) -> Tensor:
        by_name = dict(zip(names, parameters, strict=True))
        result: Tensor = torch.func.functional_call(layer, by_name, x)
        return result

    assert_same(apply, torch.rand(*shape, dtype=torch.float64), *values)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("rows", [[2, 0, 2, 2], []])
def test_gradients_of_repeated_rows_add_up(rows: list[int]):
    table = torch.rand(5, 3, dtype=torch.float64)
    assert_same(take_rows, table, torch.tensor(rows, dtype=torch.int64))
