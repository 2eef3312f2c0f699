"""Operations that compiled CPU steps compute in loops which fuse with their surroundings.

torch.compile leaves matrix products to a library, which is slow for a thousand products of a
dozen rows and columns. Written as products and sums, they become part of the loops around them.
The order of the sums differs from that of plain steps, and so do the last bits. The gains are
listed in `benchmarks/README.md`.
"""

from typing import Any

import torch
from torch import Tensor


def compiled_on_cpu(x: Tensor) -> bool:
    """Whether this code is being compiled by torch.compile for a CPU, and not exported."""
    compiling = torch.compiler.is_compiling() and not torch.compiler.is_exporting()
    return compiling and not x.is_cuda


def take_rows(table: Tensor, rows: Tensor) -> Tensor:
    """Rows of a table [V, E] by their indices [N], which may repeat -> [N, E].

    In compiled CPU steps, the gradient is summed by torch's own kernel, which sorts the indices.
    torch.compile would add one row at a time, which takes about five times as long.
    """
    if not compiled_on_cpu(table):
        return table.index_select(0, rows)
    taken: Tensor = _Rows.apply(table, rows)  # type: ignore[no-untyped-call]
    return taken


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, table: Tensor, rows: Tensor) -> Tensor:
        context.save_for_backward(rows)
        context.height = table.shape[0]
        return table.index_select(0, rows)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (rows,) = context.saved_tensors
        # A slice of the features' gradient isn't contiguous: index_add_ would take its slow path.
        return _sum_by_row(gradient.contiguous(), rows, context.height), None


@torch.library.custom_op("emm::summed_by_row", mutates_args=())
def _sum_by_row(gradient: Tensor, rows: Tensor, height: int) -> Tensor:
    return gradient.new_zeros(height, gradient.shape[1]).index_add_(0, rows, gradient)


@_sum_by_row.register_fake
def _(gradient: Tensor, rows: Tensor, height: int) -> Tensor:
    return gradient.new_empty(height, gradient.shape[1])
