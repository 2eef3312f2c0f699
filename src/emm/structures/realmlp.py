"""RealMLP: an MLP with improved defaults for tables. Holzmüller et al., NeurIPS 2024."""

from collections.abc import Sequence
from itertools import pairwise
from math import pi, sqrt
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import mish, selu

from emm.config.binding import Count, Positive, Share
from emm.nn.embedding import FeatureFront
from emm.nn.inputs import Inputs

SCALE_RATE, BIAS_RATE, ACTIVATION_RATE, NUMERIC_RATE = 6.0, 0.1, 0.1, 0.1
"""Learning rates of the scaling layer, biases, activations and numeric embeddings, as multiples."""

ACTIVATIONS = {"selu": selu, "mish": mish}


class RealMLP(nn.Module):
    """An MLP after a scaling layer, with weights as W / sqrt(in) and parametric activations.

    Dense features are scaled robustly, clipped smoothly and embedded as PBLD. A rate of its own is
    that of a parameter which is stored divided by it: the steps of Adam don't depend on a
    gradient's size. ``layers``: widths; ``activation``: the authors take selu for classes, mish for
    regressions; ``hidden``: see `FeatureFront`. ``scales``, the median and factor of each dense
    feature (`emm.training.robust`), and ``outputs`` come from the data.

    Of the authors' RealMLP-TD this leaves out what isn't about the network: their schedules of
    learning rate and dropout, the second moments' decay and label smoothing; and the first weights
    that depend on data: they are normal, the last ones 0, as in their RealMLP-TD-S. All sparse
    fields are embedded.
    Holzmüller, Grinsztajn, Steinwart, "Better by Default: Strong Pre-Tuned MLPs and Boosted Trees
    on Tabular Data", NeurIPS 2024, section 3 and figure 1.
    """

    def __init__(
        self,
        inputs: Inputs,
        tasks: int = 1,
        *,
        embedding_dim: Count = 8,
        layers: Sequence[int] = (128, 128, 128),
        frequencies: Count = 16,
        frequency_scale: Positive = 0.1,
        numeric_dim: Count = 4,
        activation: Literal["selu", "mish"] = "selu",
        dropout: Share = 0.15,
        hidden: Sequence[int] = (),
        scales: Sequence[Sequence[float]] = (),
        outputs: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.front = FeatureFront(inputs, embedding_dim, "scaled", hidden)
        for embedding in (self.front.table, self.front.bags):
            if embedding is not None:
                nn.init.normal_(embedding.weight)
        self.dense = inputs.dense
        self.smooth = SmoothClip(scales or [(0.0, 1.0)] * inputs.dense)
        self.numeric = PBLD(inputs.dense, frequencies, frequency_scale, numeric_dim)
        width = self.front.width - inputs.dense + inputs.dense * numeric_dim
        self.scale = Rated(torch.ones(width), SCALE_RATE)
        blocks: list[nn.Module] = []
        for start, end in pairwise([width, *layers]):
            blocks += [NTKLinear(start, end), Parametric(end, activation), nn.Dropout(dropout)]
        self.blocks = nn.Sequential(*blocks)
        logits = sum(outputs) if outputs else tasks
        self.last = NTKLinear([width, *layers][-1], logits, zero=True)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """dense [B, D], sparse [B, F] -> logits [B, O]."""
        x = self.front(dense, sparse)
        numeric = self.numeric(self.smooth(x[:, : self.dense]))  # [B, D*E]
        x = torch.cat([numeric, x[:, self.dense :]], dim=1) * self.scale()
        logits: Tensor = self.last(self.blocks(x))
        return logits


class SmoothClip(nn.Module):
    """x' = z / sqrt(1 + (z / 3)^2) with z = factor (x - median), which is within (-3, 3)."""

    median: Tensor
    factor: Tensor

    def __init__(self, scales: Sequence[Sequence[float]]) -> None:
        super().__init__()
        median, factor = torch.tensor(scales, dtype=torch.float32).view(-1, 2).unbind(1)
        self.register_buffer("median", median.clone(), persistent=False)  # [D]
        self.register_buffer("factor", factor.clone(), persistent=False)  # [D]

    def forward(self, dense: Tensor) -> Tensor:
        """dense [B, D] -> [B, D]."""
        z = (dense - self.median) * self.factor
        clipped: Tensor = z / (1 + (z / 3).square()).sqrt()
        return clipped


class PBLD(nn.Module):
    """Periodic embeddings with biases, a linear layer and a shortcut ("densenet"): for each dense
    feature (x, V cos(2 pi w x + b) + c), of width E; ``frequencies``: number of w."""

    def __init__(self, features: int, frequencies: int, scale: float, width: int) -> None:
        super().__init__()
        bound = 1 / sqrt(frequencies)
        self.w = Rated(scale * torch.randn(features, frequencies), NUMERIC_RATE)
        self.b = Rated(torch.empty(features, frequencies).uniform_(-pi, pi), NUMERIC_RATE)
        v = torch.empty(features, frequencies, width - 1).uniform_(-bound, bound)
        self.v = Rated(v, NUMERIC_RATE)
        self.c = Rated(torch.empty(features, width - 1).uniform_(-bound, bound), NUMERIC_RATE)

    def forward(self, dense: Tensor) -> Tensor:
        """dense [B, D] -> [B, D*E]."""
        x = dense.unsqueeze(2)  # [B, D, 1]
        waves = (2 * pi * x * self.w() + self.b()).cos()  # [B, D, frequencies]
        mixed = torch.einsum("bdq,dqe->bde", waves, self.v()) + self.c()  # [B, D, E - 1]
        return torch.cat([x, mixed], dim=2).flatten(1)


class NTKLinear(nn.Module):
    """W x / sqrt(in) + b with normal first W and b (Jacot, Gabriel, Hongler, NeurIPS 2018).

    ``zero``: both start at 0.
    """

    def __init__(self, in_width: int, out_width: int, *, zero: bool = False) -> None:
        super().__init__()
        start = torch.zeros if zero else torch.randn
        self.weight = nn.Parameter(start(out_width, in_width))
        self.bias = Rated(start(out_width), BIAS_RATE)
        self.factor = 1 / sqrt(in_width)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, in] -> [B, out]."""
        return nn.functional.linear(x * self.factor, self.weight, self.bias())


class Parametric(nn.Module):
    """x + a (f(x) - x) with an a for each of ``width`` features, at first 1."""

    def __init__(self, width: int, activation: Literal["selu", "mish"]) -> None:
        super().__init__()
        self.function = ACTIVATIONS[activation]
        self.a = Rated(torch.ones(width), ACTIVATION_RATE)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, H] -> [B, H]."""
        changed: Tensor = x + self.a() * (self.function(x) - x)
        return changed


class Rated(nn.Module):
    """A parameter that learns ``rate`` times as fast as others: rate * stored."""

    def __init__(self, start: Tensor, rate: float) -> None:
        super().__init__()
        self.stored, self.rate = nn.Parameter(start / rate), rate

    def forward(self) -> Tensor:
        value: Tensor = self.rate * self.stored
        return value
