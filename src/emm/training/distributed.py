"""Training in several processes, on one machine or more: torchrun starts them.

Every process goes through the same batches in the same order and computes a part of each batch's
rows. Batch norm counts all of them, gradients are averaged by DistributedDataParallel, and scores
are computed from all rows' logits: the result is that of one process with the same batches, but
for the order of sums. Dropout draws from each process's own numbers.
"""

from collections.abc import Iterator
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from emm.core.process import processes, rank
from emm.data.tables.batches import RowTensors
from emm.nn.global_norm import with_global_norms

_PATIENCE = timedelta(minutes=30)  # for the slowest process


def join(device: torch.device) -> None:
    """Meet the other processes, if there are any."""
    if processes() > 1 and not distributed.is_initialized():
        kind = "nccl" if device.type == "cuda" else "gloo"
        distributed.init_process_group(kind, timeout=_PATIENCE)


def alone() -> bool:
    """Whether this process trains by itself."""
    return not (distributed.is_available() and distributed.is_initialized())


def spread(model: nn.Module) -> nn.Module:
    """What computes the forward pass of ``model`` in every process, and averages its gradients."""
    if alone():
        return model
    return DistributedDataParallel(with_global_norms(model), static_graph=True)


def own_rows(batches: Iterator[RowTensors]) -> Iterator[RowTensors]:
    """This process's piece of each batch."""
    return batches if alone() else map(_own_piece, batches)


def _own_piece(batch: RowTensors) -> RowTensors:
    size, rows = processes(), len(batch) / processes()
    first, last = (len(batch) * (rank() + step) // size for step in (0, 1))
    if first == last:
        # Of a last batch with fewer rows than processes: a row that counts in batch norm alone.
        return batch.part(0, 1).as_piece(0.0, rows)
    own = batch.part(first, last)
    if batch.weights is None or own.weights is None:
        return own.as_piece(size * len(own) / len(batch), rows)
    return own.as_piece(size * float(own.weights.sum() / batch.weights.sum()), rows)


def summed(totals: Tensor) -> Tensor:
    """The sum over all processes."""
    if not alone():
        distributed.all_reduce(totals)
    return totals


def gathered(model: nn.Module, batch: RowTensors) -> Tensor:
    """Logits [B, T] of a batch in every process, each of which computes its part."""
    if alone():
        logits: Tensor = model(*batch.inputs)
        return logits
    size = processes()
    most = -(-len(batch) // size)
    own = batch.part(rank() * most, (rank() + 1) * most)
    logits = model(*own.inputs)
    padded = logits.new_zeros(most, logits.shape[1])
    padded[: len(logits)] = logits
    parts = [torch.empty_like(padded) for _ in range(size)]
    distributed.all_gather(parts, padded)
    return torch.cat(parts)[: len(batch)]
