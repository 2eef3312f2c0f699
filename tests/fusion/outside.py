"""Models built outside this project, with other depths and attributes."""

import torch
from torch import Tensor, nn

from emm.nn.inputs import Inputs


class Embed(nn.Module):
    """One embedding table per field, concatenated."""

    def __init__(self, inputs: Inputs, width: int) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(n, width) for n in inputs.cardinalities)
        self.width = inputs.dense + width * len(inputs.cardinalities)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        columns = sparse.long().unbind(1)
        return torch.cat([dense, *(t(c) for t, c in zip(self.tables, columns, strict=True))], 1)


class Deep(nn.Module):
    """Attributes called in turn, one activation for all layers, ten layers."""

    def __init__(self, inputs: Inputs, outputs: int = 1) -> None:
        super().__init__()
        self.embed = Embed(inputs, 3)
        self.act = nn.ReLU()
        self.in_layer = nn.Linear(self.embed.width, 20)
        self.narrow, self.norm1 = nn.Linear(20, 8), nn.BatchNorm1d(8)
        self.middle, self.norm2 = nn.Linear(8, 8), nn.BatchNorm1d(8)
        self.out = nn.Linear(8, outputs)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        x = self.act(self.in_layer(self.embed(dense, sparse)))
        x = self.act(self.norm1(self.narrow(x)))
        x = self.act(self.norm2(self.middle(x)))
        return self.out(x)


class Shallow(nn.Module):
    """A body in nested Sequentials, and a head of two layers."""

    def __init__(self, inputs: Inputs) -> None:
        super().__init__()
        embed = Embed(inputs, 2)
        first = nn.Sequential(nn.Linear(embed.width, 8), nn.BatchNorm1d(8), nn.ReLU())
        second = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU())
        self.embed = embed
        self.body = nn.Sequential(first, second)
        self.head = nn.Sequential(nn.Linear(8, 4), nn.Tanh(), nn.Linear(4, 1))

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        return self.head(self.body(self.embed(dense, sparse)))


class Bounded(nn.Module):
    """Two layers of width 8; the last has another activation than the networks of the pipeline."""

    def __init__(self, inputs: Inputs) -> None:
        super().__init__()
        self.embed = Embed(inputs, 2)
        layers = (nn.Linear(self.embed.width, 8), nn.ReLU(), nn.Linear(8, 8, bias=False), nn.Tanh())
        self.body, self.out = nn.Sequential(*layers), nn.Linear(8, 1)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        return self.out(self.body(self.embed(dense, sparse)))


def of_three_classes(inputs: Inputs) -> nn.Module:
    """A factory of a network for a task of three classes."""
    return Deep(inputs, 3)
