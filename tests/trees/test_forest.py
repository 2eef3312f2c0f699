import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from emm.core.errors import DataError
from emm.nn.inputs import Inputs
from emm.trees.forest import TreeEnsemble, categorical_fields
from tests.trees.forest import INPUTS, random_ensemble, random_rows, walk_in_blocks


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
def test_the_decision_equals_walking_each_row_down_each_tree(
    count: int, nodes: int, rows: int, seed: int
):
    ensemble = random_ensemble(count, nodes, seed)
    dense, sparse = random_rows(rows, seed)
    torch.testing.assert_close(
        ensemble.decision(dense, sparse), walked(ensemble, dense, sparse), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("outside", [-1, 255, 256, 1000])
def test_ids_outside_of_a_bitset_share_its_last_bit(outside: int):
    ensemble = random_ensemble(5, 25, seed=3)
    dense, sparse = random_rows(30, seed=4)
    sparse[:, :2] = outside
    torch.testing.assert_close(ensemble.decision(dense, sparse), walked(ensemble, dense, sparse))


def test_the_decision_does_not_depend_on_the_size_of_blocks(monkeypatch: pytest.MonkeyPatch):
    ensemble = random_ensemble(5, 25, seed=0)
    dense, sparse = random_rows(31, seed=1)
    complete = ensemble.decision(dense, sparse)
    walk_in_blocks(4 * 5, monkeypatch)
    ensemble = random_ensemble(5, 25, seed=0)
    assert torch.equal(ensemble.decision(dense, sparse), complete)


def test_a_subset_of_the_trees_is_summed_from_their_starts():
    complete, first, rest = (random_ensemble(5, 25, seed=0) for _ in range(3))
    first.starts, rest.starts = complete.starts[:2], complete.starts[2:]
    rows = random_rows(20, seed=1)
    both = first.decision(*rows) + rest.decision(*rows) - complete.baseline
    torch.testing.assert_close(both, complete.decision(*rows))


@pytest.mark.parametrize("levels", [1, 2, 3, 7])
@pytest.mark.parametrize("count", [0, 1, 5, 6])
def test_the_shares_of_all_levels_add_up_to_the_decision(count: int, levels: int):
    ensemble = random_ensemble(count, 25, seed=0)
    rows = random_rows(20, seed=1)
    shares = ensemble.shares(*rows, levels)
    assert (shares.shape, shares.dtype) == ((20, levels), torch.float64)
    torch.testing.assert_close(shares.sum(1), ensemble.decision(*rows), rtol=0, atol=1e-12)


def trees_by_level(count: int, levels: int) -> list[list[int]]:
    """The trees in the share of each level; the leaves of tree k have the value 2**k."""
    ensemble = random_ensemble(count, 9, seed=count)
    ensemble.baseline.zero_()
    ensemble.value.copy_((2 ** torch.arange(count)).repeat_interleave(9))
    shares = ensemble.shares(*random_rows(1, seed=0), levels)[0].tolist()
    return [[tree for tree in range(count) if int(share) >> tree & 1] for share in shares]


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 30), st.integers(1, 8))
def test_levels_are_consecutive_trees_of_nearly_equal_number(count: int, levels: int):
    by_level = trees_by_level(count, levels)
    assert [tree for trees in by_level for tree in trees] == list(range(count))
    sizes = [len(trees) for trees in by_level]
    assert max(sizes) - min(sizes) <= 1
    assert sizes[0] == max(sizes)


def test_with_more_levels_than_trees_some_levels_are_empty():
    assert sorted(map(len, trees_by_level(2, 5))) == [0, 0, 0, 1, 1]


def test_the_first_share_includes_the_baseline():
    ensemble = random_ensemble(0, 1, seed=0)
    shares = ensemble.shares(*random_rows(3, seed=0), 2)
    assert shares.tolist() == [[0.25, 0.0]] * 3


def test_shares_do_not_depend_on_the_size_of_blocks(
    monkeypatch: pytest.MonkeyPatch,
):
    ensemble = random_ensemble(5, 25, seed=0)
    rows = random_rows(31, seed=1)
    complete = ensemble.shares(*rows, 3)
    walk_in_blocks(4 * 5, monkeypatch)
    ensemble = random_ensemble(5, 25, seed=0)
    assert torch.equal(ensemble.shares(*rows, 3), complete)


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_logits_are_one_float32_column(rows: int):
    logits = random_ensemble(2, 9, seed=0)(*random_rows(rows, seed=0))
    assert (logits.shape, logits.dtype) == ((rows, 1), torch.float32)


def test_without_trees_the_logit_is_the_baseline():
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


def test_more_ids_than_float32_can_distinguish_are_an_error():
    with pytest.raises(DataError, match="sparse field 1"):
        TreeEnsemble(Inputs(0, (3, 2**24 + 1)), trees=0, nodes=0, bitsets=0, depth=0)
