"""Multilayer perceptrons: a single one, and G of equal shape computed together.

A grouped block computes G equal networks (experts, bottoms or towers) with one batched matmul per
layer. It reads one input for all groups, [B, in], or S inputs, [B, S, in], each of which feeds G/S
consecutive groups. With S = T tasks and G = T*n experts, input t feeds the n experts of task t;
with S = G, each group has its own input.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from emm.core.errors import ParamsError
from emm.nn.kernels import compiled_on_cpu

NARROW = 16
"""Largest width at which compiled CPU steps multiply several inputs in a fused loop."""


def mlp(in_width: int, widths: Sequence[int], dropout: float) -> nn.Sequential:
    """Linear, BatchNorm1d, ReLU and Dropout for each of ``widths``, in one flat Sequential.

    [B, in_width] -> [B, widths[-1]]; the identity without widths.
    """
    layers: list[nn.Module] = []
    for before, after in pairwise([in_width, *widths]):
        norm = nn.BatchNorm1d(after)
        layers += [nn.Linear(before, after), norm, nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers)


def grouped_mlp(
    groups: int, in_width: int, widths: Sequence[int], dropout: float, *, norm: bool = True
) -> nn.Sequential:
    """G networks like those of `mlp`, with their layers at the same positions.

    [B, in_width] or [B, S, in_width] -> [B, G, widths[-1]]. ``norm``: with batch norm. Raises
    ParamsError without widths.
    """
    if not widths:
        raise ParamsError(
            "the model's experts or bottoms have no layers",
            got="hidden widths []",
            expected="at least one hidden width, such as [16]",
            next_step="give expert or bottom at least one width in the model's section",
        )
    layers: list[nn.Module] = []
    for before, after in pairwise([in_width, *widths]):
        layers.append(GroupedLinear(groups, before, after))
        if norm:
            layers.append(GroupedBatchNorm(groups, after))
        # In place, as nothing else reads the output of the layer before.
        layers += [nn.ReLU(inplace=True), nn.Dropout(dropout)]
    return nn.Sequential(*layers)


class GroupedLinear(nn.Module):
    """G linear layers of equal shape, each initialised like an nn.Linear.

    ``weight`` [G, out, in] and ``bias`` [G, out] stack the parameters of G nn.Linear.
    """

    def __init__(self, groups: int, in_width: int, out_width: int, *, bias: bool = True) -> None:
        super().__init__()
        bound = 1 / sqrt(in_width)
        self.weight = _uniform(bound, groups, out_width, in_width)
        self.bias = _uniform(bound, groups, out_width) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """x [B, in] or [B, S, in] -> [B, G, out]. Raises RuntimeError unless S divides G."""
        x = x.unsqueeze(1) if x.dim() == 2 else x  # [B, S, in]
        inputs, width = x.shape[1:]
        weight = torch.unflatten(self.weight, 0, (inputs, -1))  # [S, G/S, out, in]
        if compiled_on_cpu(x) and (inputs == 1 or width <= NARROW):
            return _in_loop(x, weight, self.bias)
        y = _bmm_bias(x.transpose(0, 1), weight.flatten(1, 2).transpose(1, 2), self.bias)
        # [S, B, G/S*out]
        return y.transpose(0, 1).reshape(x.shape[0], *self.weight.shape[:2])  # [B, G, out]


class GroupedBatchNorm(nn.Module):
    """Batch norm over the H features of each of G groups, as one BatchNorm1d."""

    def __init__(self, groups: int, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(groups * width)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, G, H] -> [B, G, H]. Raises ValueError for a single row in train mode."""
        flat: Tensor = self.norm(x.flatten(1))  # [B, G*H]
        return flat.view_as(x)  # [B, G, H]


class UnequalLinear(nn.Module):
    """One linear layer of its own width per group, with the outputs side by side."""

    def __init__(self, in_width: int, out_widths: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(in_width, width) for width in out_widths)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, in], shared by all groups, or [B, G, in] -> [B, sum of the widths]."""
        inputs = x.unbind(1) if x.dim() == 3 else (x,) * len(self.layers)
        pairs = zip(self.layers, inputs, strict=True)
        return torch.cat([layer(own) for layer, own in pairs], dim=1)


class Towers(nn.Module):
    """One tower per task: hidden layers of ``widths``, then a linear layer to the task's logits.

    ``outputs``: number of logits of each task; () if each has one. ``norm``: with batch norm.
    """

    def __init__(
        self,
        tasks: int,
        in_width: int,
        widths: Sequence[int],
        dropout: float,
        outputs: Sequence[int] = (),
        *,
        norm: bool = True,
    ) -> None:
        super().__init__()
        chain = grouped_mlp(tasks, in_width, widths, dropout, norm=norm) if widths else ()
        width = [in_width, *widths][-1]
        last = UnequalLinear(width, outputs) if outputs else GroupedLinear(tasks, width, 1)
        self.layers = nn.Sequential(*chain, last)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, H], shared by all towers, or [B, T, H] -> logits [B, O]."""
        logits: Tensor = self.layers(x)  # [B, O], or [B, T, 1]
        return logits.squeeze(2) if logits.dim() == 3 else logits


def count_parameters(module: nn.Module) -> int:
    """Number of scalar parameters of ``module``, frozen ones included, buffers excluded."""
    return sum(parameter.numel() for parameter in module.parameters())


def _uniform(bound: float, *shape: int) -> nn.Parameter:
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))


def _bmm_bias(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    if bias is None:
        return torch.bmm(x, weight)
    return torch.baddbmm(bias.reshape(x.shape[0], 1, -1), x, weight)


def _in_loop(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x [B, S, in], weight [S, G/S, out, in] -> [B, G, out]; a single input stays one matmul."""
    if weight.shape[0] == 1:
        flat_bias = None if bias is None else bias.flatten()
        y = linear(x[:, 0], weight.flatten(0, 2), flat_bias)  # [B, G*out]
        return y.view(x.shape[0], *weight.shape[1:3])  # [B, G, out]
    y = (x[:, :, None, None] * weight).sum(dim=4).flatten(1, 2)  # [B, G, out]
    return y if bias is None else y + bias
