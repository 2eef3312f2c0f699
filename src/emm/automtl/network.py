"""AutoMTL: the model of a searched architecture. Jiang et al., KDD 2024."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from emm.automtl.fields import FieldFront, interaction
from emm.automtl.gates import Softmax, softmax_of_all
from emm.automtl.operators import OperatorNorm, operator
from emm.automtl.space import Expert, architecture_of
from emm.config.binding import Count, Share
from emm.nn.gates import mix
from emm.nn.inputs import Inputs
from emm.nn.mlp import GroupedLinear, Towers
from emm.nn.numeric import DenseEncoding


class AutoMTL(nn.Module):
    """Levels of experts, each with its own inputs and layers, then one tower per task.

    ``architecture``: an `emm.automtl.space.Architecture` as plain JSON; ``tower``: hidden widths of
    one tower; ``stem``, ``operator_norm``, ``softmax``: see `emm.automtl.supernet.Supernet`. Raises
    ModelFileError for an architecture that can't be built.
    Jiang et al., "Automatic Multi-Task Learning Framework with Neural Architecture Search in
    Recommendations", KDD 2024.
    """

    def __init__(
        self,
        inputs: Inputs,
        tasks: int,
        *,
        architecture: Mapping[str, Any],
        embedding_dim: Count = 16,
        tower: Sequence[int] = (64,),
        dropout: Share = 0.2,
        dense_encoding: DenseEncoding = "scaled",
        stem: bool = True,
        operator_norm: OperatorNorm = "output",
        softmax: Softmax = "open",
        outputs: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.front = FieldFront(inputs, embedding_dim, dense_encoding)
        found = architecture_of(architecture, self.front.fields, tasks, "the model's arguments")
        first, width = found.levels[0], found.width
        stems = [(Stem if stem else Fields)(expert, embedding_dim, width) for expert in first]
        self.stems = nn.ModuleList(stems)
        # The widths that the first layers of the first level read, if these aren't the experts'.
        widths = [None if stem else each.width for each in stems]
        self.levels = nn.ModuleList(
            nn.ModuleList(
                nn.Sequential(
                    *(
                        operator(
                            name,
                            width,
                            dropout,
                            in_width=widths[k] if number + depth == 0 else None,
                            norm=operator_norm,
                        )
                        for depth, name in enumerate(expert.operators)
                    )
                )
                for k, expert in enumerate(level)
            )
            for number, level in enumerate(found.levels)
        )
        gates = SubsetGates if softmax == "open" else MaskedGates
        self.gates = nn.ModuleList(
            gates(found.receivers(number), len(level), self.front.width)
            for number, level in enumerate(found.levels)
        )
        self.towers = Towers(tasks, width, tower, dropout, outputs)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """dense [B, D], sparse [B, F] -> logits [B, O]."""
        vectors = self.front(dense, sparse)  # [B, fields, E]
        raw = vectors.flatten(1)  # [B, fields*E]
        inputs: Sequence[Tensor] = [stem(vectors) for stem in self.stems]  # K times [B, ...]
        for level, gates in zip(self.levels, self.gates, strict=True):
            chains = zip(level.children(), inputs, strict=True)
            found = torch.stack([layers(own) for layers, own in chains], dim=1)  # [B, K, H]
            x = mix(gates(raw), found)  # [B, R, H]
            inputs = x.unbind(1)
        logits: Tensor = self.towers(x)
        return logits


class Fields(nn.Module):
    """The input of an expert of the first level: its fields, and the factorisation machine over its
    interacting fields, of ``width`` numbers together."""

    fields: Tensor
    interactions: Tensor

    def __init__(self, expert: Expert, embedding_dim: int, _width: int) -> None:
        super().__init__()
        pairs = expert.interactions if len(expert.interactions) > 1 else ()
        for name, chosen in (("fields", expert.fields), ("interactions", pairs)):
            self.register_buffer(name, torch.tensor(chosen, dtype=torch.int64), persistent=False)
        self.width = (len(expert.fields) + bool(pairs)) * embedding_dim

    def forward(self, vectors: Tensor) -> Tensor:
        """vectors [B, fields, E] -> [B, width]."""
        parts = [vectors[:, self.fields].flatten(1)]
        if self.interactions.shape[0]:
            parts.append(interaction(vectors[:, self.interactions]))  # [B, E]
        return torch.cat(parts, dim=1)


class Stem(Fields):
    """The same as a vector of width H, through a linear layer and batch norm."""

    def __init__(self, expert: Expert, embedding_dim: int, width: int) -> None:
        super().__init__(expert, embedding_dim, width)
        self.linear = nn.Linear(self.width, width)
        self.norm = nn.BatchNorm1d(width, affine=False)

    def forward(self, vectors: Tensor) -> Tensor:
        """vectors [B, fields, E] -> [B, H]."""
        found: Tensor = self.norm(self.linear(super().forward(vectors)))
        return found


class SubsetGates(nn.Module):
    """R softmax gates, each over its own subset of K experts: softmax(W_r x).

    All gates are one matrix product. A gate over a single expert has no parameters, as its weight
    is 1.
    """

    places: Tensor
    alone: Tensor

    def __init__(self, chosen: Sequence[Sequence[int]], experts: int, in_width: int) -> None:
        super().__init__()
        self.shape = (len(chosen), experts)
        several = [own if len(own) > 1 else () for own in chosen]
        places = [r * experts + k for r, own in enumerate(several) for k in own]
        alone = [r * experts + own[0] for r, own in enumerate(chosen) if len(own) == 1]
        self.register_buffer("places", torch.tensor(places, dtype=torch.int64), persistent=False)
        self.register_buffer("alone", torch.tensor(alone, dtype=torch.int64), persistent=False)
        scored = len(list(chain(*several)))
        self.linear = nn.Linear(in_width, scored, bias=False) if scored else None

    def forward(self, x: Tensor) -> Tensor:
        """x [B, in] -> weights [B, R, K], zero for experts outside a gate's subset."""
        scores = x.new_full((x.shape[0], self.shape[0] * self.shape[1]), -torch.inf)
        scores = scores.index_fill(1, self.alone, 0.0)
        if self.linear is not None:
            scores = scores.index_copy(1, self.places, self.linear(x))
        return torch.unflatten(scores, 1, self.shape).softmax(dim=2)


class MaskedGates(nn.Module):
    """R softmax gates over all K experts, of which each reader gets the weights of its own only."""

    mask: Tensor

    def __init__(self, chosen: Sequence[Sequence[int]], experts: int, in_width: int) -> None:
        super().__init__()
        mask = torch.zeros(len(chosen), experts)
        for row, own in zip(mask, chosen, strict=True):
            row[list(own)] = 1
        self.register_buffer("mask", mask, persistent=False)
        self.linear = GroupedLinear(len(chosen), in_width, experts, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, in] -> weights [B, R, K], zero for experts outside a gate's subset."""
        return softmax_of_all(self.linear(x), self.mask)
