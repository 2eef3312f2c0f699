"""The supernet: all architectures of the search space in one network."""

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Annotated, NamedTuple, get_args

import torch
from pydantic import Field
from torch import Tensor, nn

from emm.automtl.fields import FieldFront, gated_interactions
from emm.automtl.gates import (
    Softmax,
    decided,
    drawn,
    never_empty,
    opened,
    softmax_of_all,
    softmax_of_open,
)
from emm.automtl.operators import Choice, OperatorNorm
from emm.automtl.space import Operator
from emm.config.binding import Count, Share
from emm.nn.gates import mix
from emm.nn.inputs import Inputs
from emm.nn.mlp import GroupedLinear, Towers
from emm.nn.numeric import DenseEncoding

Chance = Annotated[float, Field(ge=0.01, le=0.99)]


class Selections(NamedTuple):
    """Values or logits of all gates.

    ``fields``, ``interactions``: [K, fields], for the experts of the first level; ``experts``: for
    each level [R, K], which of its K experts each of their R readers reads.
    """

    fields: Tensor
    interactions: Tensor
    experts: tuple[Tensor, ...]


class Supernet(nn.Module):
    """``levels`` levels of ``experts`` experts of ``layers`` layers each, then one tower per task.

    An expert of the first level reads the fields whose gates are open, and the factorisation
    machine over the fields whose interaction gates are open. An expert of a higher level, and a
    task, reads the mean of the experts whose gates are open, weighted by a softmax gate on the raw
    fields. Every layer is a `Choice` among ``operators``. In train mode, each forward pass samples
    the gates, which are open with probability ``open_at_start`` at first; in eval mode each has its
    more likely value. While ``gates_open``, train mode opens all of them.

    Without ``stem``, the first layer of an expert reads the fields itself; without ``dense_gates``,
    all experts read all dense features, which interact with none. ``operator_norm``: see
    `emm.automtl.operators.OperatorNorm`; ``softmax``: see `emm.automtl.gates.Softmax`.
    Jiang et al., "Automatic Multi-Task Learning Framework with Neural Architecture Search in
    Recommendations", KDD 2024, section on DESAN.
    """

    def __init__(
        self,
        inputs: Inputs,
        tasks: int,
        *,
        embedding_dim: Count = 16,
        tower: Sequence[int] = (64,),
        dropout: Share = 0.2,
        dense_encoding: DenseEncoding = "scaled",
        levels: Count = 2,
        experts: Count = 4,
        layers: Count = 3,
        width: Count = 64,
        operators: Sequence[Operator] = get_args(Operator),
        open_at_start: Chance = 0.5,
        stem: bool = True,
        dense_gates: bool = True,
        operator_norm: OperatorNorm = "output",
        softmax: Softmax = "open",
        outputs: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.embedding_dim, self.width, self.gates_open = embedding_dim, width, False
        self.operator_norm, self.softmax = operator_norm, softmax
        self.ungated = 0 if dense_gates else inputs.dense
        self.front = FieldFront(inputs, embedding_dim, dense_encoding)
        fields = self.front.width + embedding_dim
        self.stems = GroupedLinear(experts, fields, width) if stem else None
        self.norm = nn.BatchNorm1d(experts * width, affine=False) if stem else None
        choice = partial(Choice, operators, width, dropout, norm=operator_norm)
        first = choice if stem else partial(choice, in_width=fields)
        self.levels = nn.ModuleList(
            nn.ModuleList(
                nn.Sequential(*((choice if level + depth else first)() for depth in range(layers)))
                for _ in range(experts)
            )
            for level in range(levels)
        )
        readers = [experts] * (levels - 1) + [tasks]
        self.gates = nn.ModuleList(
            GroupedLinear(count, self.front.width, experts, bias=False) for count in readers
        )
        self.towers = Towers(tasks, width, tower, dropout, outputs)
        start = math.log(open_at_start / (1 - open_at_start))
        self.beta_fields = nn.Parameter(torch.full((experts, self.front.fields), start))
        self.beta_interactions = nn.Parameter(torch.full((experts, self.front.fields), start))
        self.beta_experts = nn.ParameterList(
            torch.full((count, experts), start) for count in readers
        )

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """dense [B, D], sparse [B, F] -> logits [B, O]."""
        open_gates = self.selections()
        vectors = self.front(dense, sparse)  # [B, fields, E]
        raw = vectors.flatten(1)  # [B, fields*E]
        weigh = softmax_of_open if self.softmax == "open" else softmax_of_all
        x = self._inputs(vectors, raw, open_gates)  # [B, K, H], or [B, K, fields*E + E]
        for level, gates, chosen in zip(self.levels, self.gates, open_gates.experts, strict=True):
            chains = zip(level.children(), x.unbind(1), strict=True)
            found = torch.stack([chain(own) for chain, own in chains], dim=1)  # [B, K, H]
            x = mix(weigh(gates(raw), chosen), found)  # [B, R, H]
        logits: Tensor = self.towers(x)
        return logits

    def selections(self) -> Selections:
        """The values of all gates, sampled in train mode; each reader has an open one."""
        value = (opened if self.gates_open else drawn) if self.training else decided
        fields, interactions, experts = self.selection_logits()
        return Selections(
            never_empty(value(fields), fields),
            value(interactions),
            tuple(never_empty(value(logits), logits) for logits in experts),
        )

    def selection_logits(self) -> Selections:
        """The logits beta of all gates; those of dense features without a gate are constant."""
        fields: Tensor = self.beta_fields
        interactions: Tensor = self.beta_interactions
        if self.ungated:
            dense = torch.arange(self.front.fields, device=fields.device) < self.ungated
            fields = fields.masked_fill(dense, torch.finfo(fields.dtype).max)
            interactions = interactions.masked_fill(dense, -torch.inf)
        return Selections(fields, interactions, tuple(self.beta_experts))

    def choices(self) -> Iterator[tuple[tuple[int, int, int], Choice]]:
        """All layers of all experts, each with its level, expert and layer number."""
        for number, level in enumerate(self.levels):
            for k, chain in enumerate(level.children()):
                for depth, choice in enumerate(chain.children()):
                    assert isinstance(choice, Choice)
                    yield (number, k, depth), choice

    def architecture_parameters(self) -> list[nn.Parameter]:
        """alpha of the open choices, and beta of all gates."""
        named = self.named_parameters()
        return [each for name, each in named if _of_architecture(name)]

    def weights(self) -> list[nn.Parameter]:
        """All parameters that aren't those of the architecture."""
        return [each for name, each in self.named_parameters() if not _of_architecture(name)]

    def _inputs(self, vectors: Tensor, raw: Tensor, chosen: Selections) -> Tensor:
        """The inputs of the first level, with a stem as vectors of width H; [B, K, ...]."""
        columns = chosen.fields.repeat_interleave(self.embedding_dim, dim=1)  # [K, fields*E]
        if self.stems is None or self.norm is None:
            pairs = gated_interactions(vectors, chosen.interactions)  # [B, K, E]
            return torch.cat([raw.unsqueeze(1) * columns, pairs], dim=2)
        # The weights of closed fields are zero, so that all experts share one matrix product.
        own, paired = torch.split(self.stems.weight, [self.front.width, self.embedding_dim], dim=2)
        weight = (own * columns.unsqueeze(1)).flatten(0, 1)  # [K*H, fields*E]
        bias = None if self.stems.bias is None else self.stems.bias.flatten()
        single = nn.functional.linear(raw, weight, bias)  # [B, K*H]
        pairs = gated_interactions(vectors, chosen.interactions)  # [B, K, E]
        found = torch.einsum("bke,khe->bkh", pairs, paired).flatten(1)  # [B, K*H]
        normed: Tensor = self.norm(single + found)
        return torch.unflatten(normed, 1, (-1, self.width))  # [B, K, H]


def _of_architecture(name: str) -> bool:
    return name.startswith("beta_") or name.endswith(".alpha")
