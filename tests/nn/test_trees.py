import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from emm.core.errors import DataError
from emm.nn import trees
from emm.nn.inputs import Inputs
from emm.nn.trees import TreeEnsemble, categorical_fields

INPUTS = Inputs(dense=2, cardinalities=(5, 255, 300))
GRID = torch.tensor([-math.inf, -1.0, 0.0, 0.5, 1.0, math.inf, math.nan])


def grow(ensemble: TreeEnsemble, at: int, end: int, generator: torch.Generator) -> None:
    """Give the nodes at..end-1 to one random subtree, its left branch first."""
    ensemble.left[at] = ensemble.right[at] = at
    if end - at < 3:
        return
    inner = (end - at - 1) // 2  # an odd number of nodes on each side makes a full tree
    left = 2 * int(torch.randint((inner + 1) // 2, (), generator=generator)) + 1
    column = int(torch.randint(5, (), generator=generator))
    ensemble.left[at], ensemble.right[at] = at + 1, at + 1 + left
    ensemble.column[at] = column
    ensemble.missing_left[at] = bool(torch.randint(2, (), generator=generator))
    if column < 2:
        ensemble.threshold[at] = GRID[torch.randint(6, (), generator=generator)]
    elif column == 4:
        ensemble.threshold[at] = torch.randint(300, (), generator=generator) + 0.5
    else:
        ensemble.bitset[at] = at % len(ensemble.bitsets)
    grow(ensemble, at + 1, at + 1 + left, generator)
    grow(ensemble, at + 1 + left, end, generator)


def random_ensemble(count: int, nodes: int, seed: int) -> TreeEnsemble:
    generator = torch.Generator().manual_seed(seed)
    size = 2 * (nodes // 2) + 1
    ensemble = TreeEnsemble(INPUTS, trees=count, nodes=count * size, bitsets=7, depth=size // 2)
    ensemble.bitset.fill_(-1)
    ensemble.bitsets.random_(-(2**31), 2**31 - 1, generator=generator)
    ensemble.value.normal_(generator=generator)
    ensemble.baseline.fill_(0.25)
    for tree in range(count):
        ensemble.starts[tree] = tree * size
        grow(ensemble, tree * size, (tree + 1) * size, generator)
    return ensemble


def random_rows(rows: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    dense = GRID[torch.randint(len(GRID), (rows, 2), generator=generator)]
    highest = torch.tensor([5, 255, 300])
    sparse = (torch.rand(rows, 3, generator=generator) * highest).int()
    return dense, sparse


def goes_left(ensemble: TreeEnsemble, node: int, value: float) -> bool:
    row = int(ensemble.bitset[node])
    if row < 0:
        return (
            bool(ensemble.missing_left[node])
            if math.isnan(value)
            else bool(value <= float(ensemble.threshold[node]))
        )
    bit = int(value) if 0 <= value < 255 else 255
    return bool(int(ensemble.bitsets[row, bit // 32]) >> (bit % 32) & 1)


def walk(ensemble: TreeEnsemble, values: list[float]) -> float:
    total = float(ensemble.baseline)
    for node in ensemble.starts.tolist():
        while int(ensemble.left[node]) != node:
            left = goes_left(ensemble, node, values[int(ensemble.column[node])])
            node = int((ensemble.left if left else ensemble.right)[node])
        total += float(ensemble.value[node])
    return total


def walked(ensemble: TreeEnsemble, dense: Tensor, sparse: Tensor) -> Tensor:
    rows = torch.cat([dense.double(), sparse.double()], dim=1).tolist()
    return torch.tensor([walk(ensemble, row) for row in rows], dtype=torch.float64)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 6), st.integers(1, 25), st.integers(0, 20), st.integers(0, 2**30))
def test_equals_walking_each_row_down_each_tree(count: int, nodes: int, rows: int, seed: int):
    ensemble = random_ensemble(count, nodes, seed)
    dense, sparse = random_rows(rows, seed)
    torch.testing.assert_close(
        ensemble.decision(dense, sparse), walked(ensemble, dense, sparse), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("outside", [-1, 255, 256, 1000])
def test_ids_that_no_set_can_hold_share_the_last_bit(outside: int):
    ensemble = random_ensemble(5, 25, seed=3)
    dense, sparse = random_rows(30, seed=4)
    sparse[:, :2] = outside
    torch.testing.assert_close(ensemble.decision(dense, sparse), walked(ensemble, dense, sparse))


def test_rows_do_not_depend_on_how_many_are_walked_together(monkeypatch: pytest.MonkeyPatch):
    ensemble = random_ensemble(5, 25, seed=0)
    dense, sparse = random_rows(31, seed=1)
    whole = ensemble.decision(dense, sparse)
    monkeypatch.setattr(trees, "PAIRS", 4 * 5)
    assert torch.equal(ensemble.decision(dense, sparse), whole)


def test_a_share_of_the_trees_is_summed_from_their_starts_alone():
    whole, first, rest = (random_ensemble(5, 25, seed=0) for _ in range(3))
    first.starts, rest.starts = whole.starts[:2], whole.starts[2:]
    rows = random_rows(20, seed=1)
    both = first.decision(*rows) + rest.decision(*rows) - whole.baseline
    torch.testing.assert_close(both, whole.decision(*rows))


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_logits_are_one_float32_column(rows: int):
    logits = random_ensemble(2, 9, seed=0)(*random_rows(rows, seed=0))
    assert (logits.shape, logits.dtype) == ((rows, 1), torch.float32)


def test_without_trees_the_baseline_is_left():
    ensemble = random_ensemble(0, 1, seed=0)
    assert ensemble(*random_rows(3, seed=0)).flatten().tolist() == [0.25] * 3


def test_sizes_build_an_ensemble_that_loads_the_state():
    ensemble = random_ensemble(3, 9, seed=0)
    loaded = TreeEnsemble(INPUTS, **ensemble.sizes())
    loaded.load_state_dict(ensemble.state_dict())
    rows = random_rows(20, seed=0)
    assert torch.equal(loaded(*rows), ensemble(*rows))


def test_only_fields_of_up_to_255_ids_are_split_by_sets():
    assert categorical_fields(INPUTS) == [True, True, False]


def test_more_ids_than_float32_can_tell_apart_are_an_error():
    with pytest.raises(DataError, match="sparse field 1"):
        TreeEnsemble(Inputs(0, (3, 2**24 + 1)), trees=0, nodes=0, bitsets=0, depth=0)
