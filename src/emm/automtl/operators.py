"""The operators of an expert's layer, and the choice among them in the supernet."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from emm.automtl.space import IDENTITY, WIDTHS

OperatorNorm = Literal["output", "hidden"]
"""Where an operator has its batch norm. ``output``: after its last layer, see `MLPOperator`;
``hidden``: after its first, as in the authors' code, see `PublishedOperator`."""


class MLPOperator(nn.Module):
    """Linear to ``hidden``, ReLU, linear to ``width``, batch norm, dropout; [B, in] -> [B, H].

    The batch norm has no weights, so that a candidate can't outweigh others by its scale; the layer
    above has weights.
    """

    def __init__(self, in_width: int, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.expand = nn.Linear(in_width, hidden)
        self.project = nn.Linear(hidden, width)
        self.norm = nn.BatchNorm1d(width, affine=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.finish(self.expand(x))

    def finish(self, hidden: Tensor) -> Tensor:
        """Everything after the first linear layer; [B, hidden] -> [B, H]."""
        found: Tensor = self.dropout(self.norm(self.project(hidden.relu())))
        return found


class PublishedOperator(nn.Module):
    """Dropout, linear to ``hidden``, batch norm, ReLU, linear to ``width``, ReLU; [B, in] ->
    [B, H]."""

    def __init__(self, in_width: int, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.expand = nn.Linear(in_width, hidden)
        self.norm = nn.BatchNorm1d(hidden)
        self.project = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        hidden: Tensor = self.norm(self.expand(self.dropout(x)))
        found: Tensor = self.project(hidden.relu())
        return found.relu()


def operator(
    name: str,
    width: int,
    dropout: float,
    *,
    in_width: int | None = None,
    norm: OperatorNorm = "output",
) -> nn.Module:
    """The operator called ``name``, with fresh weights.

    ``in_width``: of a first layer that reads fields; its identity is a projection.
    """
    if name == IDENTITY:
        return nn.Identity() if in_width is None else nn.Linear(in_width, width, bias=False)
    kind = MLPOperator if norm == "output" else PublishedOperator
    return kind(in_width or width, width, WIDTHS[name], dropout)


class Choice(nn.Module):
    """One layer of an expert in the supernet: sum over candidates o of softmax(alpha)_o o(x).

    The first linear layers of all candidates are one matrix product. Once the choice is fixed,
    ``alpha`` is None and only one candidate is left. ``in_width``, ``norm``: see `operator`.
    """

    alpha: nn.Parameter | None

    def __init__(
        self,
        candidates: Sequence[str],
        width: int,
        dropout: float,
        *,
        in_width: int | None = None,
        norm: OperatorNorm = "output",
    ) -> None:
        super().__init__()
        made = {
            name: operator(name, width, dropout, in_width=in_width, norm=norm)
            for name in candidates
        }
        self.candidates = nn.ModuleDict(made)
        self.alpha = nn.Parameter(torch.zeros(len(candidates))) if len(candidates) > 1 else None

    @property
    def names(self) -> tuple[str, ...]:
        """The remaining candidates."""
        return tuple(self.candidates)

    def weights(self) -> Tensor:
        """softmax(alpha), [remaining candidates]."""
        return torch.ones(1) if self.alpha is None else self.alpha.softmax(dim=0)

    def fix(self, name: str) -> list[nn.Parameter]:
        """Keep only the candidate ``name``; returns the parameters that are removed."""
        before = list(self.parameters())
        self.candidates = nn.ModuleDict({name: self.candidates[name]})
        self.alpha = None
        left = {id(parameter) for parameter in self.parameters()}
        return [parameter for parameter in before if id(parameter) not in left]

    def forward(self, x: Tensor) -> Tensor:
        """x [B, in] -> [B, H]."""
        if self.alpha is None:
            (only,) = self.candidates.values()
            fixed: Tensor = only(x)
            return fixed
        weights = dict(zip(self.names, self.weights(), strict=True))
        networks = {n: c for n, c in self.candidates.items() if isinstance(c, MLPOperator)}
        expanded = _expand(list(networks.values()), x)
        mixed = [
            weights[name] * each.finish(hidden)
            for (name, each), hidden in zip(networks.items(), expanded, strict=True)
        ]
        others = (name for name in self.names if name not in networks)
        mixed += [weights[name] * self.candidates[name](x) for name in others]
        return torch.stack(mixed).sum(dim=0)


def _expand(networks: Sequence[MLPOperator], x: Tensor) -> Sequence[Tensor]:
    """The hidden layer of each network before its ReLU, from one matrix product."""
    if not networks:
        return []
    weight = torch.cat([each.expand.weight for each in networks])  # [sum of hidden, H]
    bias = torch.cat([each.expand.bias for each in networks])
    wide = nn.functional.linear(x, weight, bias)  # [B, sum of hidden]
    return torch.split(wide, [each.expand.out_features for each in networks], dim=1)
