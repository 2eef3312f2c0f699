"""TabM: an ensemble of MLPs that share most of their weights. Gorishniy et al., ICLR 2025."""

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from emm.config.binding import Count, Share
from emm.nn.embedding import FeatureFront
from emm.nn.heads import mean_of_heads
from emm.nn.inputs import Inputs
from emm.nn.mlp import GroupedLinear
from emm.nn.numeric import DenseEncoding

Sharing = Literal["adapters", "mini"]
"""What of the MLPs differs. ``adapters``: the scales of every layer's inputs and outputs, and its
bias (TabM); ``mini``: only the scales of the first layer's inputs (TabM-mini)."""

FirstScales = Literal["signs", "normal"]
"""How the first scales of a feature start: -1 or 1, or normally distributed."""


class TabM(nn.Module):
    """K MLPs h_k of the features x, trained together: the mean of their losses in training, the
    mean of their probabilities in prediction.

    Layer l of MLP k is relu(s_lk * (W_l (r_lk * h)) + b_lk), with a weight W_l that all share and
    adapters r, s and b of its own (BatchEnsemble: Wen, Tran, Ba, ICLR 2020, eq. 5). The r of the
    first layer are random, with one value for all that encodes a feature, and all other r and s
    start at 1; the last layers are K independent ones.

    ``heads``: K; ``layers``: their widths; ``sharing``, ``first_scales``: see there; ``hidden``:
    see `FeatureFront`. ``kinds``, of the tasks, () if all are binary, and ``outputs`` come from
    the data.
    Gorishniy, Kotelnikov, Babenko, "TabM: Advancing Tabular Deep Learning with Parameter-Efficient
    Ensembling", ICLR 2025, section 3.3.
    """

    def __init__(
        self,
        inputs: Inputs,
        tasks: int = 1,
        *,
        embedding_dim: Count = 4,
        heads: Count = 16,
        layers: Sequence[int] = (128, 128),
        sharing: Sharing = "adapters",
        first_scales: FirstScales = "signs",
        dropout: Share = 0.1,
        dense_encoding: DenseEncoding = "scaled",
        hidden: Sequence[int] = (),
        kinds: Sequence[str] = (),
        outputs: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.kinds, self.outputs = tuple(kinds), tuple(outputs)
        self.front = FeatureFront(inputs, embedding_dim, dense_encoding, hidden)
        chunks = self.front.widths
        self.scale = nn.Parameter(_first_scales(heads, chunks, first_scales))  # [K, width]
        widths = list(pairwise([self.front.width, *layers]))
        adapted = sharing == "adapters"
        self.layers = nn.ModuleList(
            SharedLinear(heads, start, end, adapted=adapted, scaled=adapted and number > 0)
            for number, (start, end) in enumerate(widths)
        )
        self.dropout = nn.Dropout(dropout)
        logits = sum(outputs) if outputs else tasks
        self.last = GroupedLinear(heads, [self.front.width, *layers][-1], logits)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """dense [B, D], sparse [B, F] -> logits of each head [B, K, O] in training, else [B, O]."""
        x = self.front(dense, sparse)
        h = x.unsqueeze(1) * self.scale if not len(self.layers) else x
        for number, layer in enumerate(self.layers):
            h = layer(h, self.scale if number == 0 else None)
            h = self.dropout(h.relu())
        logits: Tensor = self.last(h)  # [B, K, O]
        return logits if self.training else mean_of_heads(logits, self.outputs, self.kinds)


class SharedLinear(nn.Module):
    """K linear layers with one weight: s_k * (W (r_k * x)) + b_k.

    ``adapted``: with s and a b for each k, otherwise they share one b; ``scaled``: with r.
    """

    def __init__(
        self, heads: int, in_width: int, out_width: int, *, adapted: bool, scaled: bool
    ) -> None:
        super().__init__()
        bound = 1 / sqrt(in_width)
        self.weight = nn.Parameter(torch.empty(out_width, in_width).uniform_(-bound, bound))
        bias = torch.empty(out_width).uniform_(-bound, bound)
        self.bias = nn.Parameter(bias.expand(heads, -1).clone() if adapted else bias)
        self.r = nn.Parameter(torch.ones(heads, in_width)) if scaled else None
        self.s = nn.Parameter(torch.ones(heads, out_width)) if adapted else None

    def forward(self, x: Tensor, scale: Tensor | None = None) -> Tensor:
        """x [B, K, in], or [B, in], which the ``scale`` [K, in] turns into K inputs
        -> [B, K, out]."""
        if scale is not None:
            # One product with K weights instead of K inputs: (r_k * x) W = x (r_k * W).
            weight = scale.unsqueeze(1) * self.weight  # [K, out, in]
            y = linear(x, weight.flatten(0, 1)).view(-1, *weight.shape[:2])  # [B, K, out]
        else:
            y = linear(x if self.r is None else x * self.r, self.weight)
        scaled: Tensor = y if self.s is None else y * self.s
        return scaled + self.bias


def _first_scales(heads: int, chunks: Sequence[int], kind: FirstScales) -> Tensor:
    """[K, sum of the chunks]: one random value for each head and chunk."""
    values = torch.randn(heads, len(chunks))
    if kind == "signs":
        values = torch.where(values < 0, -1.0, 1.0)
    return values.repeat_interleave(torch.tensor(chunks), dim=1)
