"""The columns of a model's logits: one for a binary or regression task, one per class otherwise.

``outputs``: number of columns of each task, in order; () if every task has one. O: their sum.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def output_columns(outputs: Sequence[int], task: int) -> slice:
    """The columns of one task among all O."""
    if not outputs:
        return slice(task, task + 1)
    start = sum(outputs[:task])
    return slice(start, start + outputs[task])


def split_outputs(logits: Tensor, outputs: Sequence[int]) -> list[Tensor]:
    """The logits of each task: [..., O] -> T tensors [..., outputs of the task]."""
    return list(torch.split(logits, list(outputs) or 1, dim=-1))
