"""Networks as people write them that must be refused. Every class is its own factory."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from emm.nn.inputs import Inputs
from tests.fusion.matrix import WIDTH, Base, Shifted


class InplaceFunction(Base):
    def trunk(self, x: Tensor) -> Tensor:
        h = self.first(x)
        functional.relu(h, inplace=True)
        return self.act(self.second(h))


class Clamp(Base):
    def trunk(self, x: Tensor) -> Tensor:
        h = self.first(x)
        h.clamp_(-0.2, 0.2)
        return self.act(self.second(h))


class Scale(Base):
    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self.scale = nn.Parameter(torch.tensor(3.0))

    def trunk(self, x: Tensor) -> Tensor:
        h = self.first(x)
        h *= self.scale
        return self.act(self.second(h))


class InplaceData(Base):
    """A change that torch doesn't count as one."""

    def trunk(self, x: Tensor) -> Tensor:
        h = self.first(x)
        h.numpy()[:] *= 3
        return self.act(self.second(h))


class HiddenInplace(Base):
    """The same with an alias of the tensor."""

    def trunk(self, x: Tensor) -> Tensor:
        h = self.first(x)
        h.data.mul_(3)
        return self.act(self.second(h))


class Gated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor, skip: Tensor | None = None) -> Tensor:
        h = self.inner(x)
        return h if skip is None else h + skip


class KeywordSkip(Base):
    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self.second = Gated()

    def trunk(self, x: Tensor) -> Tensor:
        h = self.act(self.first(x))
        return self.act(self.second(h, skip=3 * h))


class Skip(Base):
    def trunk(self, x: Tensor) -> Tensor:
        h = self.act(self.first(x))
        self.second(h)
        return self.act(h)


class KeepingBlock(nn.Module):
    """Keeps its input, and only calls its layer."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(WIDTH, WIDTH)
        self.kept: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        self.kept = x
        return self.inner(x)


class Reading(nn.Module):
    def __init__(self, source: KeepingBlock) -> None:
        super().__init__()
        self.inner = nn.Linear(WIDTH, WIDTH)
        self.source = [source]  # no submodule

    def forward(self, x: Tensor) -> Tensor:
        kept = self.source[0].kept
        return self.inner(x) if kept is None else self.inner(x) + 3 * kept


class State(Base):
    """A block keeps what a later one reads."""

    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        block = KeepingBlock()
        self.second = nn.Sequential(block, Reading(block))


class Branch(Base):
    def trunk(self, x: Tensor) -> Tensor:
        h = self.act(self.first(x))
        if h.mean() > 0.2:
            return self.act(self.second(h))
        return self.act(h)


class Item(Base):
    """A branch by way of a plain number, which is the same for zeros and for other rows."""

    def trunk(self, x: Tensor) -> Tensor:
        h = self.act(self.first(x))
        times = 2 if h.abs().max().item() > 50 else 1
        for _ in range(times):
            h = self.act(self.second(h))
        return h


class TwoLogits(Base):
    outputs = 2


class FlattenedOutput(Base):
    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self.last = nn.Sequential(nn.Linear(WIDTH, 1), nn.Flatten(0))


class FlattenedRows(Base):
    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self.act = nn.Sequential(nn.ReLU(), nn.Flatten(0), nn.Unflatten(0, (-1, WIDTH)))


class Squeezed(Base):
    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        return super().forward(dense, sparse).squeeze()


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.inner(x), x


class Join(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(WIDTH, WIDTH)

    def forward(self, pair: tuple[Tensor, Tensor]) -> Tensor:
        return self.inner(pair[0]) + pair[1]


class TwoOutputs(Base):
    """A module gives two tensors to the next."""

    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self.two, self.join = Two(), Join()

    def trunk(self, x: Tensor) -> Tensor:
        return self.act(self.join(self.two(self.act(self.first(x)))))


class TwoResults(Base):
    """The network returns its logit and a hidden vector."""

    def forward(self, dense: Tensor, sparse: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.trunk(self.front(dense, sparse))
        return self.last(hidden), hidden


class CatInForward(Base):
    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self.second = nn.Linear(2 * WIDTH, WIDTH)

    def trunk(self, x: Tensor) -> Tensor:
        h = self.act(self.first(x))
        return self.act(self.second(torch.cat([h, h], dim=1)))


class FunctionalSigmoid(Base):
    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        return torch.sigmoid(super().forward(dense, sparse))


class Probability(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(WIDTH, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.inner(x))


class HiddenSigmoid(Base):
    """The last module works a probability out."""

    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self.last = Probability()


class Noise(Base):
    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self.act = AlwaysDropout()


class AlwaysDropout(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return functional.dropout(functional.relu(x))


class BatchMean(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(0)


class OfBatch(Base):
    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self.act = nn.Sequential(nn.ReLU(), BatchMean())


class LayerBranch(nn.Module):
    """A branch inside a layer, on all of the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) if (x > 1).any() else x


class BranchOfLayer(Base):
    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self.second = LayerBranch()


class NotANumber(Base):
    """The logarithm of what may be negative."""

    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self.act = Logarithm()


class Logarithm(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.log()


class Raising(Base):
    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        return self.last(self.front(dense, sparse))


class Unlucky(Base):
    """The factory draws a number that no file has."""

    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self.act = Shifted(float(torch.rand(())))
