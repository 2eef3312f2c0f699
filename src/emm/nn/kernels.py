"""Compiled steps on a CPU compute some things otherwise than plain ones: in loops that fuse.

torch.compile leaves matrix products to a library, which is slow for a thousand products of a
dozen rows and columns; written as products and sums they become part of the loops around them.
The order of sums, and so the last bits, differ. `benchmarks/README.md` says what it gains.
"""

from typing import Any

import torch
from torch import Tensor


def in_fused_step(x: Tensor) -> bool:
    """Whether this runs within torch.compile, for a CPU."""
    return torch.compiler.is_compiling() and not x.is_cuda


def take_rows(table: Tensor, rows: Tensor) -> Tensor:
    """Rows of a table [V, E], which may repeat: numbers [N] -> [N, E].

    The gradient sums what falls on one row. torch.compile would add one at a time, which takes
    about five times as long as torch's own sum by sorted numbers.
    """
    if not in_fused_step(table):
        return table.index_select(0, rows)
    taken: Tensor = _Rows.apply(table, rows)  # type: ignore[no-untyped-call]
    return taken


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, table: Tensor, rows: Tensor) -> Tensor:
        context.save_for_backward(rows)
        context.height = len(table)
        return table.index_select(0, rows)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (rows,) = context.saved_tensors
        # As a slice of the features' gradient it would take torch's slow way.
        return _summed_by_row(gradient.contiguous(), rows, context.height), None


@torch.library.custom_op("emm::summed_by_row", mutates_args=())
def _summed_by_row(gradient: Tensor, rows: Tensor, height: int) -> Tensor:
    return gradient.new_zeros(height, gradient.shape[1]).index_add_(0, rows, gradient)


@_summed_by_row.register_fake
def _(gradient: Tensor, rows: Tensor, height: int) -> Tensor:
    return gradient.new_empty(height, gradient.shape[1])
