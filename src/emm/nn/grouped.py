"""G equal networks (experts, bottoms, towers) computed together: one batched matmul per layer.

Every grouped block takes either one input for all groups, [B, in], or S inputs, [B, S, in]. Then
each input feeds G/S consecutive groups: with S = T tasks and G = T*n experts, task t feeds its
own n experts. S = G gives each group its own input.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from emm.core.errors import ParamsError
from emm.nn.kernels import in_fused_step

NARROW = 16
"""Width up to which several inputs' products are summed in the loop of a fused step."""


class GroupedLinear(nn.Module):
    """G linear layers of equal shape, each initialised as nn.Linear would be alone.

    ``weight`` [G, out, in] and ``bias`` [G, out] hold, per group, what nn.Linear holds.
    """

    def __init__(self, groups: int, in_width: int, out_width: int, *, bias: bool = True) -> None:
        super().__init__()
        bound = 1 / sqrt(in_width)
        self.weight = _uniform(bound, groups, out_width, in_width)
        self.bias = _uniform(bound, groups, out_width) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """x [B, in] or [B, S, in] -> [B, G, out]; RuntimeError if G is no multiple of S."""
        x = x.unsqueeze(1) if x.dim() == 2 else x  # [B, S, in]
        sources, width = x.shape[1:]
        weight = torch.unflatten(self.weight, 0, (sources, -1))  # [S, G/S, out, in]
        if in_fused_step(x) and (sources == 1 or width <= NARROW):
            return _in_loop(x, weight, self.bias)
        y = _bmm_bias(x.transpose(0, 1), weight.flatten(1, 2).transpose(1, 2), self.bias)
        # [S, B, G/S*out]
        return y.transpose(0, 1).reshape(len(x), *self.weight.shape[:2])  # [B, G, out]


class GroupedBatchNorm(nn.Module):
    """Batch norm of each of G groups' H features, as one BatchNorm1d; [B, G, H] -> [B, G, H]."""

    def __init__(self, groups: int, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(groups * width)

    def forward(self, x: Tensor) -> Tensor:
        """Statistics over the rows alone; ValueError for a single row in train mode."""
        flat: Tensor = self.norm(x.flatten(1))  # [B, G*H]
        return flat.view_as(x)  # [B, G, H]


class Towers(nn.Module):
    """One tower per task: hidden layers of ``widths``, then a linear layer to one logit."""

    def __init__(self, tasks: int, in_width: int, widths: Sequence[int], dropout: float) -> None:
        super().__init__()
        hidden = grouped_mlp(tasks, in_width, widths, dropout) if widths else nn.Sequential()
        self.layers = nn.Sequential(*hidden, GroupedLinear(tasks, [in_width, *widths][-1], 1))

    def forward(self, x: Tensor) -> Tensor:
        """x [B, H], shared, or [B, T, H] -> logits [B, T]."""
        logits: Tensor = self.layers(x)  # [B, T, 1]
        return logits.squeeze(2)


def grouped_mlp(groups: int, in_width: int, widths: Sequence[int], dropout: float) -> nn.Sequential:
    """G counterparts of ``emm.nn.mlp.mlp``, with layers at the same places.

    [B, in_width] or [B, S, in_width] -> [B, G, widths[-1]]. Raises ParamsError without widths.
    """
    if not widths:
        raise ParamsError(
            f"{groups} parallel networks were asked for without a single layer",
            got="hidden widths []",
            expected="at least one hidden width, such as [16]",
            next_step="give the model's expert or bottom at least one width in params.yaml",
        )
    layers: list[nn.Module] = []
    for before, after in pairwise([in_width, *widths]):
        norm = GroupedBatchNorm(groups, after)
        relu = nn.ReLU(inplace=True)  # nothing else reads the norm's output
        layers += [GroupedLinear(groups, before, after), norm, relu, nn.Dropout(dropout)]
    return nn.Sequential(*layers)


def _uniform(bound: float, *shape: int) -> nn.Parameter:
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))


def _bmm_bias(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    if bias is None:
        return torch.bmm(x, weight)
    return torch.baddbmm(bias.reshape(len(x), 1, -1), x, weight)


def _in_loop(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x [B, S, in], weight [S, G/S, out, in] -> [B, G, out]; one input for all is left a matmul."""
    if len(weight) == 1:
        own_bias = None if bias is None else bias.flatten()
        y = linear(x[:, 0], weight.flatten(0, 2), own_bias)  # [B, G*out]
        return y.view(len(x), *weight.shape[1:3])  # [B, G, out]
    y = (x[:, :, None, None] * weight).sum(dim=4).flatten(1, 2)  # [B, G, out]
    return y if bias is None else y + bias
