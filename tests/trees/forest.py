"""Random tree ensembles, and rows that reach every kind of split."""

import math

import pytest
import torch
from torch import Tensor

from emm.nn.inputs import Inputs
from emm.trees import forest
from emm.trees.forest import TreeEnsemble, categorical_fields

INPUTS = Inputs(dense=2, cardinalities=(5, 255, 300))
GRID = torch.tensor([-math.inf, -1.0, 0.0, 0.5, 1.0, math.inf, math.nan])


def random_ensemble(
    count: int, nodes: int, seed: int, inputs: Inputs = INPUTS, outputs: int = 1
) -> TreeEnsemble:
    """``count`` trees of an odd number of nodes, about ``nodes``, with a baseline of 0.25, and 1
    more for each further output."""
    generator = torch.Generator().manual_seed(seed)
    size = 2 * (nodes // 2) + 1
    ensemble = TreeEnsemble(
        inputs, trees=count, nodes=count * size, bitsets=7, depth=size // 2, outputs=outputs
    )
    ensemble.bitset.fill_(-1)
    ensemble.bitsets.random_(-(2**31), 2**31 - 1, generator=generator)
    ensemble.value.normal_(generator=generator)
    ensemble.baseline.copy_(0.25 + torch.arange(outputs).view(ensemble.baseline.shape))
    for tree in range(count):
        ensemble.starts[tree] = tree * size
        _grow(ensemble, inputs, tree * size, (tree + 1) * size, generator)
    return ensemble


def walk_in_blocks(pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make new ensembles walk, with blocks of this many pairs of a row and a tree."""
    monkeypatch.setattr(forest, "mask_tables", lambda *_: None)
    monkeypatch.setattr(forest, "PAIRS", pairs)


def random_rows(rows: int, seed: int) -> tuple[Tensor, Tensor]:
    """dense [B, D], with infinities and NaN, and sparse [B, F] of INPUTS."""
    generator = torch.Generator().manual_seed(seed)
    dense = GRID[torch.randint(len(GRID), (rows, INPUTS.dense), generator=generator)]
    highest = torch.tensor(INPUTS.cardinalities)
    sparse = (torch.rand(rows, len(highest), generator=generator) * highest).int()
    return dense, sparse


def _grow(
    ensemble: TreeEnsemble, inputs: Inputs, at: int, end: int, generator: torch.Generator
) -> None:
    """Make nodes at..end-1 one random subtree, its left branch first."""
    ensemble.left[at] = ensemble.right[at] = at
    if end - at < 3:
        return
    inner = (end - at - 1) // 2  # an odd number of nodes on each side makes a full tree
    left = 2 * int(torch.randint((inner + 1) // 2, (), generator=generator)) + 1
    width = inputs.dense + len(inputs.cardinalities)
    column = int(torch.randint(width, (), generator=generator))
    field = column - inputs.dense
    ensemble.left[at], ensemble.right[at] = at + 1, at + 1 + left
    ensemble.column[at] = column
    ensemble.missing_left[at] = bool(torch.randint(2, (), generator=generator))
    if field < 0:
        ensemble.threshold[at] = GRID[torch.randint(6, (), generator=generator)]
    elif not categorical_fields(inputs)[field]:
        highest = inputs.cardinalities[field]
        ensemble.threshold[at] = torch.randint(highest, (), generator=generator) + 0.5
    else:
        ensemble.bitset[at] = at % len(ensemble.bitsets)
    _grow(ensemble, inputs, at + 1, at + 1 + left, generator)
    _grow(ensemble, inputs, at + 1 + left, end, generator)
