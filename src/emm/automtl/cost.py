"""The cost of an architecture in parameters and operations, exact or as an expectation."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from emm.automtl.gates import Softmax
from emm.automtl.settings import Budget
from emm.automtl.space import WIDTHS, Architecture
from emm.automtl.supernet import Supernet
from emm.core.errors import ParamsError
from emm.nn.mlp import GroupedLinear, count_parameters

# The cost of a linear layer, from its input and output widths, and whether it has a bias.
Linear = Callable[[Any, int, bool], Any]


def _parameters(in_width: Any, out_width: int, bias: bool) -> Any:
    return in_width * out_width + bias * out_width


def _operations(in_width: Any, out_width: int, bias: bool) -> Any:
    return 2 * in_width * out_width


@dataclass(frozen=True)
class Meter:
    """A measure of cost.

    ``linear``: cost of a linear layer; ``fixed``: cost of embeddings and towers, which every
    architecture has; ``raw``: width of all fields together; ``mixing``: cost per output number of
    an expert of including it in the mean of one reader; ``hidden_norm``: cost per hidden unit of
    its batch norm; ``stem``, ``softmax``: see `emm.automtl.supernet.Supernet`.
    """

    linear: Linear
    fixed: int
    embedding_dim: int
    raw: int
    mixing: int = 0
    hidden_norm: int = 0
    stem: bool = True
    softmax: Softmax = "open"

    def operator(self, name: str, width: int, in_width: int | None = None) -> int:
        """The cost of one candidate of a layer; ``in_width``: of one that reads the fields."""
        hidden = WIDTHS[name]
        cost: int = self.hidden_norm * hidden
        if hidden:
            start = width if in_width is None else in_width
            cost += self.linear(start, hidden, True) + self.linear(hidden, width, True)
        elif in_width is not None:
            cost += self.linear(in_width, width, False)
        return cost

    def exact(self, architecture: Architecture) -> int:
        """The cost of the model of ``architecture``, as evaluation counts it."""
        width, total = architecture.width, self.fixed
        for expert in architecture.levels[0]:
            vectors = len(expert.fields) + (len(expert.interactions) > 1)
            read, first = vectors * self.embedding_dim, expert.operators[0]
            if self.stem:
                total += self.linear(read, width, True)
            else:  # instead of what the sum over all operators adds below
                total += self.operator(first, width, read) - self.operator(first, width)
        for number, level in enumerate(architecture.levels):
            total += sum(self.operator(name, width) for each in level for name in each.operators)
            counts = [len(chosen) for chosen in architecture.receivers(number)]
            if self.softmax == "all":
                total += self.linear(self.raw, len(level), False) * len(counts)
            else:
                total += sum(self.linear(self.raw, count, False) for count in counts if count > 1)
            total += self.mixing * width * len(counts) * len(level)
        return total

    def expected(self, supernet: Supernet) -> Tensor:
        """The differentiable expected cost, with gates and operators as independent variables."""
        logits = supernet.selection_logits()
        fields, interactions = logits.fields.sigmoid(), logits.interactions.sigmoid()
        total = fields.new_tensor(float(self.fixed))
        needed = fields.new_ones(len(logits.experts[-1]))  # [R], probability that a reader is read
        for number, own in reversed(list(enumerate(logits.experts))):
            reads = needed.unsqueeze(1) * own.sigmoid()  # [R, K]
            total = total + self.linear(self.raw, 1, False) * reads.sum()
            readers, needed = needed.sum(), 1 - (1 - reads).prod(dim=0)  # [], [K]
            total = total + self.mixing * supernet.width * readers * needed.sum()
            total = total + (needed * self._operators(supernet, number)).sum()
        vectors = fields.sum(dim=1) + 1 - (1 - interactions).prod(dim=1)  # [K]
        stems = self.linear(vectors * self.embedding_dim, supernet.width, True)
        return total + torch.as_tensor(needed * stems).sum()

    def _operators(self, supernet: Supernet, level: int) -> Tensor:
        """The expected cost of the layers of each expert of a level, [K]."""
        costs: dict[int, list[Tensor]] = {}
        for (number, k, _), choice in supernet.choices():
            if number == level:
                each = [float(self.operator(name, supernet.width)) for name in choice.names]
                weights = choice.weights().to(supernet.beta_fields.device)
                costs.setdefault(k, []).append(weights @ weights.new_tensor(each))
        return torch.stack([torch.stack(layers).sum() for layers in costs.values()])


def meters(supernet: Supernet, budget: Budget | None) -> list[tuple[Meter, int]]:
    """The measures that ``budget`` limits, each with its limit.

    Raises ParamsError for a published way of which the expected cost isn't known.
    """
    if budget is None:
        return []
    if supernet.stems is None or supernet.softmax != "open" or supernet.operator_norm != "output":
        raise ParamsError(
            "a budget needs experts and gates whose expected cost is known",
            where="the section `search` of the recipe",
            got="a budget with stem, softmax or operator_norm as in the authors' code",
            expected="stem: true, softmax: open, operator_norm: output",
            next_step="take out the budget, or these keys",
        )
    parameters = (parameter_meter(supernet), budget.parameters)
    operations = (operation_meter(supernet), budget.operations)
    return [(meter, limit) for meter, limit in (parameters, operations) if limit is not None]


def parameter_meter(supernet: Supernet) -> Meter:
    """Counts learned parameters."""
    fixed = count_parameters(supernet.front) + count_parameters(supernet.towers)
    norm = 2 * (supernet.operator_norm == "hidden")  # factor and offset
    return Meter(
        _parameters,
        fixed,
        supernet.embedding_dim,
        supernet.front.width,
        hidden_norm=norm,
        stem=supernet.stems is not None,
        softmax=supernet.softmax,
    )


def operation_meter(supernet: Supernet) -> Meter:
    """Counts the multiplications and additions of matrix products for one row."""
    layers = (
        each for each in supernet.towers.modules() if isinstance(each, GroupedLinear | nn.Linear)
    )
    fixed = sum(2 * layer.weight.numel() for layer in layers)
    if supernet.front.numeric is not None:
        fixed += 2 * supernet.front.numeric.weight.numel()
    # One matrix product mixes all experts, including those that a reader doesn't read.
    return Meter(
        _operations,
        fixed,
        supernet.embedding_dim,
        supernet.front.width,
        mixing=2,
        stem=supernet.stems is not None,
        softmax=supernet.softmax,
    )
