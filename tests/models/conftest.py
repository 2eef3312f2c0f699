"""Slow, plain reimplementations of the models' building blocks, and fixtures to compare them with.

Everything is computed for one row, one group and one feature at a time, and shares no code with
src: only the weights of the modules are read.
"""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from emm.nn.inputs import Inputs
from emm.nn.mlp import GroupedBatchNorm, GroupedLinear

INPUTS = Inputs(dense=3, cardinalities=(4, 2, 5))


def plain_front(front: nn.Module, dense: Tensor, sparse: Tensor) -> Tensor:
    rows = []
    for values, ids in zip(dense, sparse, strict=True):
        parts = [values]
        for field, index in enumerate(ids.tolist()):
            parts.append(front.table.weight[sum(INPUTS.cardinalities[:field]) + index])
        rows.append(torch.cat(parts))
    return torch.stack(rows)


def plain_softmax(scores: Tensor) -> Tensor:
    return scores.exp() / scores.exp().sum()


def plain_linear(weight: Tensor, bias: Tensor, x: Tensor) -> Tensor:
    return torch.stack([weight @ row + bias for row in x])


def plain_norm(norm: nn.BatchNorm1d, x: Tensor, start: int) -> Tensor:
    columns = []
    for feature, column in enumerate(x.T, start):
        mean, variance = norm.running_mean[feature], norm.running_var[feature]
        if norm.training:
            mean = column.mean()
            variance = ((column - mean) ** 2).mean()
        scaled = (column - mean) / (variance + norm.eps) ** 0.5
        columns.append(scaled * norm.weight[feature] + norm.bias[feature])
    return torch.stack(columns, dim=1)


def plain_chain(layers: nn.Sequential, x: Tensor, group: int = 0) -> Tensor:
    """Output of ``layers``, or of one group of them, for x [B, in], without dropout."""
    for layer in layers:
        match layer:
            case nn.Linear():
                x = plain_linear(layer.weight, layer.bias, x)
            case GroupedLinear():
                x = plain_linear(layer.weight[group], layer.bias[group], x)
            case nn.BatchNorm1d():
                x = plain_norm(layer, x, 0)
            case GroupedBatchNorm():
                x = plain_norm(layer.norm, x, group * x.shape[1])
            case nn.SiLU():
                x = x / (1 + (-x).exp())
            case nn.ReLU():
                x = torch.where(x > 0, x, 0.0)
            case nn.Dropout():
                assert layer.p == 0
            case _:
                raise TypeError(layer)
    return x


def randomise(model: nn.Module) -> nn.Module:
    """Replace all initial values, special ones such as zero bias and unit variance included."""
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            nn.init.uniform_(tensor, *((0.5, 1.5) if name.endswith("_var") else (-1.0, 1.0)))
    return model


def settle(model: nn.Module, dense: Tensor, sparse: Tensor) -> nn.Module:
    """Put ``model`` into eval mode with the batch statistics of these rows as running statistics.

    So no unit is dead for all rows. In train mode, the batch mean would cancel the bias of the
    layer before it.
    """
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.momentum = None
    model(dense, sparse)
    return model.eval()


def batch(rows: int) -> tuple[Tensor, Tensor]:
    """dense [B, D] float32, sparse [B, F] int32; every id appears if there are enough rows."""
    columns = [torch.arange(rows) % size for size in INPUTS.cardinalities]
    return torch.randn(rows, INPUTS.dense), torch.stack(columns, dim=1).int()


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(params=[2, 3, 4], ids="T={}".format)
def tasks(request: pytest.FixtureRequest) -> int:
    return request.param


@pytest.fixture(params=[(1, False), (5, False), (5, True)], ids=["one", "five", "five-train"])
def case(request: pytest.FixtureRequest) -> Any:
    """Rows and mode of a forward pass: a batch in float64, and a function that prepares a model."""
    rows, training = request.param
    dense, sparse = batch(rows)

    def prepare(model: nn.Module) -> nn.Module:
        return randomise(model.double()).train(training)

    return SimpleNamespace(prepare=prepare, dense=dense.double(), sparse=sparse)


@pytest.fixture
def plain() -> Any:
    return SimpleNamespace(front=plain_front, softmax=plain_softmax, chain=plain_chain)


@pytest.fixture
def small() -> Any:
    return SimpleNamespace(inputs=INPUTS, batch=batch, settle=settle)
