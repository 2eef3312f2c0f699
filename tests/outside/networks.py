"""Networks that people train with PyTorch, whose forward calls functions between its modules.

All read numbers [B, 6], most also ids [B, 3] of at most 5 values, and give one logit [B, 1].
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

NUMBERS, IDS, LEVELS = 6, 3, 5


def mlp(*widths: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers)


class Embedded(nn.Module):
    """A table for each column of ids: [B, 3] -> [B, 3, width]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(LEVELS, width) for _ in range(IDS))

    def forward(self, ids: Tensor) -> Tensor:
        columns = zip(self.tables, ids.unbind(1), strict=True)
        return torch.stack([table(column) for table, column in columns], 1)


class BatchNormed(nn.Sequential):
    """An MLP with batch norm that ends in a sigmoid."""

    def __init__(self) -> None:
        layers: list[nn.Module] = []
        for before, after in ((NUMBERS, 8), (8, 8)):
            layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU(), nn.Dropout(0.1)]
        super().__init__(*layers, nn.Linear(8, 1), nn.Sigmoid())


class LayerNormed(nn.Module):
    """Layer norm and GELU by functions; the normalisation of the input isn't."""

    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(8) for _ in range(2))
        self.linears = nn.ModuleList([nn.Linear(NUMBERS, 8), nn.Linear(8, 8)])
        self.tower = nn.Linear(8, 1)

    def forward(self, numbers: Tensor) -> Tensor:
        h = numbers
        for linear, norm in zip(self.linears, self.norms, strict=True):
            h = functional.gelu(norm(linear(h)))
        return self.tower(h)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.start = nn.Linear(NUMBERS, 8)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.BatchNorm1d(8), nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 8))
            for _ in range(2)
        )
        self.end = nn.Sequential(nn.BatchNorm1d(8), nn.ReLU())
        self.tower = nn.Linear(8, 1)

    def forward(self, numbers: Tensor) -> Tensor:
        h = self.start(numbers)
        for block in self.blocks:
            h = h + block(h)
        return self.tower(self.end(h))


class Cross(nn.Module):
    """DCNv2 (arXiv 2008.13535), stacked: x = x0 * (W x + b) + x, then an MLP."""

    def __init__(self) -> None:
        super().__init__()
        self.cross = nn.ModuleList(nn.Linear(NUMBERS, NUMBERS) for _ in range(2))
        self.deep, self.tower = mlp(NUMBERS, 8, 8), nn.Linear(8, 1)

    def forward(self, numbers: Tensor) -> Tensor:
        x = numbers
        for linear in self.cross:
            x = numbers * linear(x) + x
        return self.tower(self.deep(x))


class WideAndDeep(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wide, self.deep = nn.Linear(NUMBERS, 1), mlp(NUMBERS, 8, 8)
        self.tower = nn.Linear(8, 1)

    def forward(self, numbers: Tensor) -> Tensor:
        return self.wide(numbers) + self.tower(self.deep(numbers))


class DeepFM(nn.Module):
    """Factorisation machine plus MLP (arXiv 1703.04247)."""

    def __init__(self) -> None:
        super().__init__()
        self.factors, self.weights = Embedded(4), Embedded(1)
        self.deep, self.tower = mlp(4 * IDS, 8, 8), nn.Linear(8, 1)

    def forward(self, ids: Tensor) -> Tensor:
        v = self.factors(ids)
        pairs = 0.5 * (v.sum(1) ** 2 - (v**2).sum(1)).sum(1, keepdim=True)
        return pairs + self.weights(ids).sum(1) + self.tower(self.deep(v.flatten(1)))


class TabM(nn.Module):
    """Members [B, k, H] that share their matrices (arXiv 2410.24210); the mean of their logits."""

    def __init__(self, members: int = 4, width: int = 8) -> None:
        super().__init__()
        self.members = members
        self.r = nn.Parameter(torch.randn(members, NUMBERS))
        self.s = nn.Parameter(torch.randn(members, width))
        self.bias = nn.Parameter(torch.randn(members, width))
        self.first, self.second = nn.Linear(NUMBERS, width, bias=False), nn.Linear(width, width)
        self.towers = nn.Parameter(torch.randn(members, width, 1))

    def forward(self, numbers: Tensor) -> Tensor:
        h = numbers.unsqueeze(1).expand(-1, self.members, -1) * self.r
        h = functional.relu(self.first(h) * self.s + self.bias)
        h = functional.relu(self.second(h))
        return torch.einsum("bkh,kho->bko", h, self.towers).mean(1)


class Functional(nn.Module):
    """Everything but the weights by functions; its output has no second dimension."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.tower = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 1)

    def forward(self, numbers: Tensor) -> Tensor:
        h = functional.relu(self.first(numbers))
        h = functional.layer_norm(functional.elu(self.second(h)), (8,))
        return torch.sigmoid(self.tower(functional.leaky_relu(h, 0.2))).squeeze(1)


class EmbeddedInForward(nn.Module):
    """Embeddings and cat in forward."""

    def __init__(self) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(LEVELS, 4) for _ in range(IDS))
        self.deep, self.tower = mlp(NUMBERS + 4 * IDS, 8, 8), nn.Linear(8, 1)

    def forward(self, numbers: Tensor, ids: Tensor) -> Tensor:
        columns = [table(ids[:, place]) for place, table in enumerate(self.tables)]
        return self.tower(self.deep(torch.cat([numbers, *columns], 1)))


class Attention(nn.Module):
    """Two blocks of attention over the columns as tokens, each with a residual and layer norm."""

    def __init__(self) -> None:
        super().__init__()
        self.embedded, self.scales = Embedded(8), nn.Parameter(torch.randn(NUMBERS, 8))
        self.blocks = nn.ModuleList(nn.MultiheadAttention(8, 2, batch_first=True) for _ in range(2))
        self.norms = nn.ModuleList(nn.LayerNorm(8) for _ in range(2))
        self.flat, self.tower = nn.Linear(8 * (NUMBERS + IDS), 8), nn.Linear(8, 1)

    def forward(self, numbers: Tensor, ids: Tensor) -> Tensor:
        tokens = torch.cat([numbers.unsqueeze(2) * self.scales, self.embedded(ids)], 1)
        for block, norm in zip(self.blocks, self.norms, strict=True):
            tokens = norm(tokens + block(tokens, tokens, tokens, need_weights=False)[0])
        return self.tower(functional.relu(self.flat(tokens.flatten(1))))


class Recurrent(nn.Module):
    """An LSTM over the numbers, two at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.tower = nn.LSTM(2, 8, batch_first=True), nn.Linear(8, 1)

    def forward(self, numbers: Tensor) -> Tensor:
        return self.tower(self.lstm(numbers.reshape(-1, 3, 2))[0][:, -1])


class TwoClasses(nn.Module):
    """A softmax over two classes, with gates."""

    def __init__(self) -> None:
        super().__init__()
        self.values, self.gates = nn.Linear(NUMBERS, 8), nn.Linear(NUMBERS, 8)
        self.deep, self.tower = nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, numbers: Tensor) -> Tensor:
        h = self.values(numbers) * torch.sigmoid(self.gates(numbers))
        return torch.softmax(self.tower(functional.silu(self.deep(h))), dim=1)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "MLP with batch norm": BatchNormed,
    "layer norm with GELU": LayerNormed,
    "residual": Residual,
    "DCNv2": Cross,
    "wide and deep": WideAndDeep,
    "DeepFM": DeepFM,
    "TabM": TabM,
    "functional forward": Functional,
    "embedding and cat in forward": EmbeddedInForward,
    "attention block": Attention,
    "LSTM": Recurrent,
    "two classes with gates": TwoClasses,
}


def build(name: str) -> nn.Module:
    """The network of this name with trained-looking weights and statistics, in eval mode."""
    torch.manual_seed(0)
    network = NETWORKS[name]()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return network.eval()


def rows_for(name: str, rows: int = 5_000) -> tuple[Tensor, ...]:
    """Numbers with zeros, large and missing ones, and ids, of which the network takes its own."""
    random = torch.Generator().manual_seed(1)
    numbers = torch.randn(rows, NUMBERS, generator=random)
    kind = torch.rand(rows, NUMBERS, generator=random)
    numbers[kind < 0.1] = 0
    numbers[kind > 0.97] *= 20
    if name != "LSTM":  # which onnxruntime computes as if missing numbers were others
        numbers[:20, 0] = torch.nan
    ids = torch.randint(0, LEVELS, (rows, IDS), generator=random)
    if name == "DeepFM":
        return (ids,)
    both = name in ("embedding and cat in forward", "attention block")
    return (numbers, ids) if both else (numbers,)
