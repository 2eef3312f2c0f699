"""Training of one model by several processes, on one machine or more, started by torchrun.

Every process goes through the same batches in the same order and computes a part of each batch's
rows. Batch norm uses the rows of all processes, DistributedDataParallel averages the gradients, and
scores are computed from the logits of all rows: the result is that of one process with the same
batches, but for the order of sums. Dropout draws from each process's own random numbers.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from emm.core.process import processes, rank
from emm.data.tables.rows import Piece, RowTensors
from emm.data.tables.soft_targets import with_soft_targets
from emm.nn.global_norm import with_global_norms

_TIMEOUT = timedelta(minutes=30)  # for the slowest process


def join_processes(device: torch.device) -> None:
    """Connect to the other processes, if there are any."""
    if processes() > 1 and not distributed.is_initialized():
        backend = "nccl" if device.type == "cuda" else "gloo"
        distributed.init_process_group(backend, timeout=_TIMEOUT)


def single_process() -> bool:
    """Whether this is the only process of the training."""
    return not (distributed.is_available() and distributed.is_initialized())


def distribute(model: nn.Module) -> nn.Module:
    """``model`` wrapped so that batch norm and gradients cover the rows of all processes."""
    if single_process():
        return model
    return DistributedDataParallel(with_global_norms(model), static_graph=True)


def local_parts(batches: Iterator[RowTensors]) -> Iterator[RowTensors]:
    """This process's part of each batch."""
    return batches if single_process() else map(_local_part, batches)


def _local_part(batch: RowTensors) -> RowTensors:
    size, rows = processes(), len(batch) / processes()
    first, last = (len(batch) * (rank() + step) // size for step in (0, 1))
    if first == last:
        # A last batch with fewer rows than processes: this row counts in batch norm only.
        row = batch.part(0, 1).as_piece(Piece(0.0, 0.0, rows))
        if not row.partly_labelled:
            return row
        unlabelled = row.with_labels(torch.full_like(row.labels, torch.nan))
        soft, how = row.soft_targets, row.distillation
        if soft is None or how is None:
            return unlabelled
        taught: RowTensors = with_soft_targets(unlabelled, torch.full_like(soft, torch.nan), how)
        return taught
    part = batch.part(first, last)
    row_share = size * len(part) / len(batch)
    if batch.partly_labelled:
        # Means over labelled rows are those of all processes already (`emm.nn.row_means`).
        return part.as_piece(Piece(1.0, row_share, rows))
    if batch.weights is None or part.weights is None:
        return part.as_piece(Piece(row_share, row_share, rows))
    share = size * float(part.weights.sum() / batch.weights.sum())
    return part.as_piece(Piece(share, row_share, rows))


def average_gradients(weights: Iterable[nn.Parameter]) -> None:
    """Average the gradients of ``weights`` over all processes, as `distribute` does for a model."""
    if single_process():
        return
    for weight in weights:
        if weight.grad is not None:
            distributed.all_reduce(weight.grad)
            weight.grad /= processes()


def sum_over_processes(totals: Tensor) -> Tensor:
    """The sum of ``totals`` over all processes."""
    if not single_process():
        distributed.all_reduce(totals)
    return totals


def gather_logits(model: nn.Module, batch: RowTensors) -> Tensor:
    """Logits [B, O] of a batch; every process computes a part of them and returns all."""
    if single_process():
        logits: Tensor = model(*batch.inputs)
        return logits
    size = processes()
    most = -(-len(batch) // size)
    part = batch.part(rank() * most, (rank() + 1) * most)
    logits = model(*part.inputs)
    padded = logits.new_zeros(most, logits.shape[1])
    padded[: len(logits)] = logits
    parts = [torch.empty_like(padded) for _ in range(size)]
    distributed.all_gather(parts, padded)
    return torch.cat(parts)[: len(batch)]
