"""FT-Transformer: a transformer whose tokens are features. Gorishniy et al., NeurIPS 2021."""

from collections.abc import Sequence
from math import sqrt

import torch
from torch import Tensor, nn

from emm.config.binding import Count, Share
from emm.core.errors import ParamsError
from emm.nn.embedding import FeatureFront
from emm.nn.inputs import Inputs
from emm.nn.numeric import DenseEncoding

AT_ONCE = 1024
"""Rows of which the attention is computed together in prediction; its memory grows with the rows
times the square of the features."""


class FTTransformer(nn.Module):
    """Each feature is a token of width E, next to one that is read at the end ([CLS]).

    The blocks normalise first (PreNorm), without the very first norm. The last block only computes
    the token that is read, and logits are linear(relu(norm(token))).

    ``width``: E; ``heads``: of the attention, which divide it; ``depth``: number of blocks;
    ``inner``: width of the hidden layer of a block's MLP, null for 4/3 E as in the paper;
    ``attention_dropout``, ``dropout``: of the attention's weights, and of that hidden layer;
    ``hidden``: see `FeatureFront`. With a ``dense_encoding`` by bins, their embedding is added to
    a dense feature's token. Raises ParamsError if the heads don't divide the width.
    Gorishniy, Rubachev, Khrulkov, Babenko, "Revisiting Deep Learning Models for Tabular Data",
    NeurIPS 2021, section 3.3.
    """

    def __init__(
        self,
        inputs: Inputs,
        tasks: int = 1,
        *,
        width: Count = 32,
        heads: Count = 4,
        depth: Count = 2,
        inner: Count | None = None,
        attention_dropout: Share = 0.1,
        dropout: Share = 0.1,
        dense_encoding: DenseEncoding = "scaled",
        hidden: Sequence[int] = (),
        outputs: Sequence[int] = (),
    ) -> None:
        super().__init__()
        _require_divided(width, heads)
        self.tokens = Tokens(inputs, width, dense_encoding, hidden)
        middle = width * 4 // 3 if inner is None else inner
        self.blocks = nn.ModuleList(
            Block(width, heads, middle, attention_dropout, dropout, first=number == 0)
            for number in range(depth)
        )
        logits = sum(outputs) if outputs else tasks
        self.last = nn.Sequential(nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, logits))

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """dense [B, D], sparse [B, F] -> logits [B, O]."""
        at_once = self.training or torch.compiler.is_exporting() or dense.shape[0] <= AT_ONCE
        if at_once:
            return self._logits(dense, sparse)
        parts = zip(torch.split(dense, AT_ONCE), torch.split(sparse, AT_ONCE), strict=True)
        return torch.cat([self._logits(*part) for part in parts])

    def _logits(self, dense: Tensor, sparse: Tensor) -> Tensor:
        x = self.tokens(dense, sparse)
        for number, block in enumerate(self.blocks, start=1):
            x = block(x, only_first=number == len(self.blocks))
        logits: Tensor = self.last(x[:, 0])
        return logits


class Tokens(nn.Module):
    """The token that is read, then one for each feature: x_j w_j + b_j of a dense one, and
    e_j + b_j of a sparse field with the embedding e_j (the paper's feature tokenizer)."""

    def __init__(
        self, inputs: Inputs, width: int, dense_encoding: DenseEncoding, hidden: Sequence[int]
    ) -> None:
        super().__init__()
        self.front = FeatureFront(inputs, width, dense_encoding, hidden)
        self.dense, self.width, bound = inputs.dense, width, 1 / sqrt(width)
        self.binned = 0 if self.front.numeric is None else inputs.dense
        for embedding in (self.front.table, self.front.bags):
            if embedding is not None:
                nn.init.uniform_(embedding.weight, -bound, bound)
        self.fields = len(inputs.bags) + len(inputs.cardinalities)
        self.read = nn.Parameter(torch.empty(width).uniform_(-bound, bound))
        self.weight = nn.Parameter(torch.empty(inputs.dense, width).uniform_(-bound, bound))
        bias = torch.empty(inputs.dense + self.fields, width).uniform_(-bound, bound)
        self.bias = nn.Parameter(bias)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """dense [B, D], sparse [B, F] -> [B, 1 + D + F, E]."""
        x = self.front(dense, sparse)
        numbers = x[:, : self.dense].unsqueeze(2) * self.weight  # [B, D, E]
        vectors = x[:, self.dense :].reshape(x.shape[0], self.binned + self.fields, self.width)
        if self.binned:
            numbers = numbers + vectors[:, : self.binned]
        features = torch.cat([numbers, vectors[:, self.binned :]], dim=1) + self.bias
        return torch.cat([self.read.expand(x.shape[0], 1, -1), features], dim=1)


class Block(nn.Module):
    """x + attention(norm(x)), then x + MLP(norm(x)) with the activation ReGLU.

    ``inner``: width of the MLP's hidden layer; ``first``: attention without a norm before it.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        inner: int,
        attention_dropout: float,
        dropout: float,
        *,
        first: bool,
    ) -> None:
        super().__init__()
        self.before = nn.Identity() if first else nn.LayerNorm(width)
        self.attention = Attention(width, heads, attention_dropout)
        self.between = nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 2 * inner), nn.Linear(inner, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, *, only_first: bool) -> Tensor:
        """x [B, S, E] -> [B, S, E], or [B, 1, E] with ``only_first`` token."""
        tokens = self.before(x)
        wanted = slice(0, 1) if only_first else slice(None)
        x = x[:, wanted] + self.attention(tokens[:, wanted], tokens)
        values, gates = self.up(self.between(x)).chunk(2, dim=2)
        changed: Tensor = x + self.down(self.dropout(values * gates.relu()))
        return changed


class Attention(nn.Module):
    """Multi-head attention of some tokens over all of them."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.query, self.out = nn.Linear(width, width), nn.Linear(width, width)
        self.key, self.value = nn.Linear(width, width), nn.Linear(width, width)
        for each in (self.query, self.key, self.value, self.out):
            nn.init.zeros_(each.bias)
        self.heads, self.dropout = heads, nn.Dropout(dropout)

    def forward(self, asking: Tensor, tokens: Tensor) -> Tensor:
        """asking [B, Q, E], tokens [B, S, E] -> [B, Q, E]."""
        query, key, value = (
            self._by_head(part)
            for part in (self.query(asking), self.key(tokens), self.value(tokens))
        )
        scores = query @ key.transpose(2, 3) / sqrt(query.shape[3])  # [B, heads, Q, S]
        mixed = self.dropout(scores.softmax(dim=3)) @ value
        found: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return found

    def _by_head(self, x: Tensor) -> Tensor:
        """[B, S, E] -> [B, heads, S, E/heads]."""
        return x.reshape(*x.shape[:2], self.heads, x.shape[2] // self.heads).transpose(1, 2)


def _require_divided(width: int, heads: int) -> None:
    if width % heads:
        raise ParamsError(
            "the heads of the attention don't divide the tokens' width",
            got=f"width: {width}, heads: {heads}",
            expected="a width that is a multiple of heads",
            next_step=f"write `width: {(width // heads + 1) * heads}`",
        )
