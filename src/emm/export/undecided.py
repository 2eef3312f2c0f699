"""Rows whose prediction rounding decides: trees that read logits split next to one of them.

The logits of a network differ in their last bits between batches of other sizes, between machines
and libraries. Where one lies that near to a split, a row may go either way, in the project as in
an exported model.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from emm.export.stand_ins import corrections_of
from emm.trees.forest import TreeEnsemble

MARGIN = 1e-4
"""Distance of a logit to a split, relative to logits beyond 1, up to which rounding decides."""


@torch.no_grad()
def undecided_rows(model: nn.Module, inputs: Sequence[Tensor]) -> np.ndarray:
    """Whether rounding may decide about each of the rows that ``model`` reads, bool [N].

    ``inputs``: dense [N, D], sparse [N, F] and, of some models, scores.
    """
    dense = inputs[0]
    found = torch.zeros(dense.shape[0], dtype=torch.bool)
    corrections = corrections_of(model)
    if not corrections:
        return found.numpy()
    reads: dict[int, Tensor] = {}
    handles = [
        trees.register_forward_pre_hook(
            lambda _trees, given, task=task: reads.update({task: given[0]})
        )
        for task, trees in corrections.items()
    ]
    try:
        model(*inputs)
    finally:
        for handle in handles:
            handle.remove()
    for task, trees in corrections.items():
        found |= _near(trees, reads[task], dense.shape[1])
    return found.numpy()


def _near(trees: TreeEnsemble, read: Tensor, features: int) -> Tensor:
    """Whether a logit of a row, in the columns behind the ``features``, is next to a split."""
    splits = (trees.left != torch.arange(trees.left.shape[0])) & (trees.bitset < 0)
    near = torch.zeros(read.shape[0], dtype=torch.bool)
    for column in range(features, read.shape[1]):
        edges = trees.threshold[splits & (trees.column == column)].sort().values
        if edges.shape[0]:
            values = read[:, column].contiguous()
            after = torch.searchsorted(edges, values).clamp(max=edges.shape[0] - 1)
            before = (after - 1).clamp(min=0)
            distance = torch.minimum((edges[after] - values).abs(), (edges[before] - values).abs())
            near |= distance <= MARGIN * values.abs().clamp(min=1)
    return near
