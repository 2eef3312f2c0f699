"""Networks as people write them that join the pool. Every class is its own factory."""

from torch import Tensor, nn
from torch.nn import functional

from emm.nn.inputs import Inputs
from tests.fusion.outside import Embed

WIDTH = 8


class Base(nn.Module):
    """A front, two layers of width 8 and a last layer; ``outputs``: its number of logits."""

    outputs = 1

    def __init__(self, inputs: Inputs) -> None:
        super().__init__()
        self.front = Embed(inputs, 2)
        self.first, self.second = nn.Linear(self.front.width, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.act = nn.ReLU()
        self.last = nn.Linear(WIDTH, self.outputs)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        return self.last(self.trunk(self.front(dense, sparse)))

    def trunk(self, x: Tensor) -> Tensor:
        return self.act(self.second(self.act(self.first(x))))


class InplaceModules(Base):
    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self.act = nn.ReLU(inplace=True)


class BatchNorm(Base):
    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self.act = nn.Sequential(nn.BatchNorm1d(WIDTH), nn.ReLU(), nn.Dropout(0.4))


class LayerNormGelu(Base):
    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self.act = nn.Sequential(nn.LayerNorm(WIDTH), nn.GELU())


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        return x + functional.relu(self.inner(x), inplace=True)


class ResidualBlocks(Base):
    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self.second = nn.Sequential(Residual(), Residual())


class Cross(nn.Module):
    """DCNv2's x0 * (W x) + x, with its x0 from its own input."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        deep = x
        for _ in range(2):
            deep = x * self.inner(deep) + deep
        return deep


class CrossNetwork(Base):
    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self.second = Cross()


class Attention(nn.Module):
    """Two tokens of four numbers; the module inside returns two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.unflatten(1, (2, 4))
        return self.inner(tokens, tokens, tokens, need_weights=False)[0].flatten(1)


class AttentionBlock(Base):
    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self.second = Attention()


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.LSTM(4, WIDTH, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        steps, _ = self.inner(x.unflatten(1, (2, 4)))
        return steps[:, -1]


class RecurrentBlock(Base):
    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self.second = Recurrent()


class SharedLayer(Base):
    """One layer is called twice."""

    def trunk(self, x: Tensor) -> Tensor:
        return self.act(self.second(self.act(self.second(self.act(self.first(x))))))


class WeightNorm(Base):
    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self.second = nn.utils.parametrizations.weight_norm(self.second)


class Nested(nn.Module):
    """The network is an attribute of another module."""

    def __init__(self, inputs: Inputs) -> None:
        super().__init__()
        self.network = BatchNorm(inputs)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        return self.network(dense, sparse)


class FunctionalBlock(Base):
    """Functional calls within a module that is a layer."""

    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self.second = Residual()


class FinalSigmoid(Base):
    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self.last = nn.Sequential(nn.Linear(WIDTH, 1), nn.Sigmoid())


class FinalLogSigmoid(Base):
    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self.last = nn.Sequential(nn.Linear(WIDTH, 1), nn.LogSigmoid())


class ThreeClasses(Base):
    outputs = 3


class FinalSoftmax(Base):
    outputs = 3

    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self.last = nn.Sequential(nn.Linear(WIDTH, 3), nn.Softmax(1))


class AssertsShapes(Base):
    """Its forward looks at shapes, and keeps something that nobody reads."""

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        assert dense.shape[1] == 3
        hidden = self.trunk(self.front(dense, sparse))
        self.norms = hidden.norm(dim=1)
        return self.last(hidden)


class Shifted(nn.Module):
    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.by)


class Shifting(Base):
    """It has the weights of `Base`, and computes something else."""

    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self.act = Shifted(1.0)
