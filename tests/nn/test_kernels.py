"""The loops of compiled steps against what plain steps compute; in float64, so that only the
order of sums differs. Traced without a C++ compiler, by the backend that runs the traced graph."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from emm.nn.gates import mix
from emm.nn.grouped import NARROW, GroupedLinear
from emm.nn.kernels import in_fused_step, take_rows

Function = Callable[..., Tensor]


def traced(function: Function) -> Function:
    torch.compiler.reset()
    return torch.compile(function, backend="aot_eager", dynamic=False, fullgraph=True)


def with_gradients(function: Function, *inputs: Tensor) -> list[Tensor]:
    """The result, and the gradient of each floating input for a weighted sum of it."""
    leaves = [x.detach().clone().requires_grad_(x.is_floating_point()) for x in inputs]
    result = function(*leaves)
    places = torch.arange(result.numel(), dtype=result.dtype).view_as(result)
    (result * places.cos()).sum().backward()
    return [result.detach(), *(x.grad for x in leaves if x.grad is not None)]


def assert_same(function: Function, *inputs: Tensor) -> None:
    plain, fused = with_gradients(function, *inputs), with_gradients(traced(function), *inputs)
    assert len(plain) == len(fused) > 1
    for one, other in zip(plain, fused, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-12, atol=1e-12)


@pytest.mark.filterwarnings("ignore")  # of what torch.compile imports
def test_only_compiled_steps_are_fused():
    assert not in_fused_step(torch.zeros(1))
    seen: list[bool] = []

    def step(x: Tensor) -> Tensor:
        seen.append(in_fused_step(x))
        return x + 1

    traced(step)(torch.zeros(1))
    assert seen == [True]


@pytest.mark.filterwarnings("ignore")
def test_mixing_is_the_same():
    generator = torch.Generator().manual_seed(0)
    weights = torch.rand(7, 2, 5, generator=generator, dtype=torch.float64)
    assert_same(mix, weights, torch.rand(7, 5, 3, generator=generator, dtype=torch.float64))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(7, 4), (7, 3, 4), (7, 6, 4), (7, 3, NARROW + 1)])
def test_grouped_layers_are_the_same(shape: tuple[int, ...], bias: bool):
    layer = GroupedLinear(6, shape[-1], 2, bias=bias).double()
    names, values = zip(*layer.named_parameters(), strict=True)

    def apply(x: Tensor, *parameters: Tensor) -> Tensor:
        given = dict(zip(names, parameters, strict=True))
        result: Tensor = torch.func.functional_call(layer, given, x)
        return result

    assert_same(apply, torch.rand(*shape, dtype=torch.float64), *values)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("rows", [[2, 0, 2, 2], []])
def test_rows_that_repeat_add_up(rows: list[int]):
    table = torch.rand(5, 3, dtype=torch.float64)
    assert_same(take_rows, table, torch.tensor(rows, dtype=torch.int64))
