"""Leaves from tables, compared with the walk down all trees, bit for bit."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from emm.nn.inputs import Inputs
from emm.trees import leaf_masks, mask_columns, mask_tables
from emm.trees.forest import TreeEnsemble
from tests.trees.forest import INPUTS, random_ensemble, random_rows, walk_in_blocks


def by_tables(ensemble: TreeEnsemble, dense: Tensor, sparse: Tensor) -> Tensor:
    """Values of the leaves [B, trees]; fails if the ensemble has no tables."""
    values = ensemble._values(dense, sparse)
    masks = ensemble._masks(values)
    assert masks is not None
    return torch.cat(list(masks.leaves(values)))


def by_walking(ensemble: TreeEnsemble, dense: Tensor, sparse: Tensor) -> Tensor:
    return ensemble._walk(ensemble._values(dense, sparse))


def walks(ensemble: TreeEnsemble) -> bool:
    return ensemble._masks(ensemble._values(*random_rows(1, seed=0))) is None


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 6),
    st.sampled_from([1, 3, 25, 61, 63, 65, 131, 301]),  # a word has 32 leaves, so 63 nodes
    st.integers(1, 30),
    st.integers(0, 2**30),
)
def test_leaves_are_those_of_the_walk(count: int, nodes: int, rows: int, seed: int):
    ensemble, table = random_ensemble(count, nodes, seed), random_rows(rows, seed)
    assert torch.equal(by_tables(ensemble, *table), by_walking(ensemble, *table))


@pytest.mark.parametrize("outside", [-1, 255, 256, 1000])
def test_ids_outside_of_a_set_have_one_code(outside: int):
    ensemble = random_ensemble(9, 61, seed=3)
    dense, sparse = random_rows(30, seed=4)
    sparse[::2] = outside
    assert torch.equal(by_tables(ensemble, dense, sparse), by_walking(ensemble, dense, sparse))


@pytest.mark.parametrize("threshold", [float("nan"), float("inf"), float("-inf"), -0.0])
def test_unusual_thresholds_split_as_in_the_walk(threshold: float):
    ensemble, table = random_ensemble(9, 25, seed=0), random_rows(60, seed=1)
    ensemble.threshold[::3] = threshold
    assert torch.equal(by_tables(ensemble, *table), by_walking(ensemble, *table))


def test_small_fields_may_be_split_by_thresholds():
    ensemble, (dense, sparse) = random_ensemble(9, 25, seed=0), random_rows(60, seed=1)
    ensemble.bitset.fill_(-1)
    ensemble.threshold.copy_(torch.arange(len(ensemble.threshold)) % 7 - 1.5)
    sparse[::5] = 400
    assert torch.equal(by_tables(ensemble, dense, sparse), by_walking(ensemble, dense, sparse))


@pytest.mark.parametrize(
    ("module", "name", "size"),
    [
        (leaf_masks, "MASKS", 1),
        (leaf_masks, "CODED", 7),
        (mask_tables, "WORDS", 1),
        (mask_tables, "WORDS", 4),
        (mask_tables, "JOINED", 1),
        (mask_tables, "JOINED", 2**20),
        (mask_columns, "CELLS", 50),
    ],
)
def test_leaves_do_not_depend_on_the_size_of_blocks(
    module: object, name: str, size: int, monkeypatch: pytest.MonkeyPatch
):
    ensemble, table = random_ensemble(7, 131, seed=0), random_rows(31, seed=1)
    monkeypatch.setattr(leaf_masks, "FEWEST", 3)
    monkeypatch.setattr(module, name, size)
    assert torch.equal(by_tables(ensemble, *table), by_walking(ensemble, *table))


def test_children_may_be_shared():
    """Splits of large fields by sets are searches whose ends are the same two nodes."""
    ensemble = TreeEnsemble(Inputs(1, ()), trees=1, nodes=5, bitsets=0, depth=2)
    ensemble.bitset.fill_(-1)
    ensemble.threshold.copy_(torch.tensor([0.0, -1.0, 1.0, 0.0, 0.0]))
    ensemble.left.copy_(torch.tensor([1, 3, 4, 3, 4]))
    ensemble.right.copy_(torch.tensor([2, 4, 3, 3, 4]))
    ensemble.value.copy_(torch.arange(5))
    dense = torch.tensor([[-2.0], [-0.5], [0.5], [2.0]])
    found = by_tables(ensemble, dense, torch.zeros(4, 0, dtype=torch.int32))
    assert found.flatten().tolist() == [3, 4, 4, 3]


@pytest.mark.parametrize("change", ["written to", "loaded", "replaced"])
def test_tables_follow_the_nodes(change: str):
    ensemble, other, table = random_ensemble(5, 25, 0), random_ensemble(5, 25, 1), random_rows(9, 2)
    ensemble.decision(*table)
    if change == "written to":
        ensemble.value[:] = other.value
    elif change == "loaded":
        ensemble.load_state_dict(other.state_dict())
    else:
        ensemble.starts = ensemble.starts[:2]
    assert torch.equal(by_tables(ensemble, *table), by_walking(ensemble, *table))


def test_a_copy_has_tables_of_its_own():
    ensemble, table = random_ensemble(5, 25, 0), random_rows(9, 2)
    before = ensemble.decision(*table)
    changed = copy.deepcopy(ensemble)
    changed.value.neg_()
    assert torch.equal(by_tables(changed, *table), by_walking(changed, *table))
    assert torch.equal(ensemble.decision(*table), before)


def test_tables_made_in_inference_mode_serve_gradients():
    ensemble, (dense, sparse) = random_ensemble(5, 25, 0), random_rows(9, 2)
    with torch.inference_mode():
        expected = ensemble(dense, sparse)
    weight = torch.ones(1, requires_grad=True)
    (weight * ensemble(dense, sparse)).sum().backward()
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad, expected.sum().view(1))


def test_nodes_that_do_not_count_their_changes_are_walked():
    with torch.inference_mode():
        assert walks(random_ensemble(5, 25, 0))


@pytest.mark.parametrize(("limit", "size"), [("LEAVES", 12), ("TABLES", 100)])
def test_ensembles_beyond_a_limit_are_walked(
    limit: str, size: int, monkeypatch: pytest.MonkeyPatch
):
    expected = random_ensemble(5, 25, 0).decision(*random_rows(9, 2))
    monkeypatch.setattr(mask_tables, limit, size)
    ensemble = random_ensemble(5, 25, 0)
    assert walks(ensemble)
    assert torch.equal(ensemble.decision(*random_rows(9, 2)), expected)


@pytest.mark.parametrize(("name", "value"), [("left", -1), ("right", 10**6), ("bitset", 10**6)])
def test_nodes_that_do_not_exist_are_left_to_the_walk(name: str, value: int):
    ensemble = random_ensemble(2, 25, 0)
    ensemble.get_buffer(name)[0] = value
    assert walks(ensemble)


def test_a_depth_that_is_too_small_is_left_to_the_walk():
    ensemble = random_ensemble(2, 25, 0)
    ensemble.depth = 1
    assert walks(ensemble)


def test_code_that_is_being_compiled_walks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert walks(random_ensemble(2, 25, 0))


@pytest.mark.parametrize("outputs", [1, 3])
def test_sums_are_those_of_the_walk(outputs: int, monkeypatch: pytest.MonkeyPatch):
    table = random_rows(40, seed=1)
    ensemble = random_ensemble(12, 61, seed=0, outputs=outputs)
    found = ensemble.decision(*table), ensemble.shares(*table, 3), ensemble(*table)
    walk_in_blocks(2**17, monkeypatch)
    ensemble = random_ensemble(12, 61, seed=0, outputs=outputs)
    expected = ensemble.decision(*table), ensemble.shares(*table, 3), ensemble(*table)
    assert all(map(torch.equal, found, expected))


def test_ids_of_large_fields_are_compared_as_numbers():
    ensemble, (dense, sparse) = random_ensemble(9, 61, seed=5), random_rows(30, seed=4)
    sparse[:, 2] = torch.arange(30) * 20 - 100
    assert INPUTS.cardinalities[2] > 255
    assert torch.equal(by_tables(ensemble, dense, sparse), by_walking(ensemble, dense, sparse))
