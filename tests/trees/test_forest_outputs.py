"""Ensembles with several outputs, one per class."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emm.core.errors import ModelFileError
from emm.trees.forest import TreeEnsemble
from tests.trees.forest import INPUTS, random_ensemble, random_rows, walk_in_blocks


def of_output(ensemble: TreeEnsemble, output: int) -> TreeEnsemble:
    """The trees of one output as an ensemble with a single output."""
    sizes = ensemble.sizes()
    outputs = sizes.pop("outputs")
    own = TreeEnsemble(INPUTS, **sizes)
    own.load_state_dict({**ensemble.state_dict(), "baseline": ensemble.baseline[output]})
    own.starts = ensemble.starts[output::outputs]
    return own


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 4), st.integers(0, 4), st.integers(0, 9), st.integers(1, 5), st.integers(0))
def test_each_output_is_the_sum_of_its_own_trees(
    outputs: int, rounds: int, rows: int, levels: int, seed: int
):
    ensemble = random_ensemble(outputs * rounds, 9, seed % 2**30, outputs=outputs)
    table = random_rows(rows, seed % 2**30)
    parts = [of_output(ensemble, output) for output in range(outputs)]
    decision, shares = ensemble.decision(*table), ensemble.shares(*table, levels)
    expected = torch.stack([part.decision(*table) for part in parts], dim=1)
    torch.testing.assert_close(decision, expected, rtol=0, atol=1e-12)
    of_levels = torch.cat([part.shares(*table, levels) for part in parts], dim=1)
    torch.testing.assert_close(shares, of_levels, rtol=0, atol=1e-12)


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_logits_are_float32_with_one_column_per_output(rows: int):
    table = random_rows(rows, seed=0)
    ensemble = random_ensemble(6, 9, seed=0, outputs=3)
    logits = ensemble(*table)
    assert logits.dtype == torch.float32
    assert torch.equal(logits, ensemble.decision(*table).float().view(rows, 3))


def test_sums_do_not_depend_on_the_size_of_blocks(monkeypatch: pytest.MonkeyPatch):
    ensemble, rows = random_ensemble(6, 25, seed=0, outputs=3), random_rows(31, seed=1)
    complete = ensemble.decision(*rows), ensemble.shares(*rows, 2)
    walk_in_blocks(4 * 6, monkeypatch)
    ensemble = random_ensemble(6, 25, seed=0, outputs=3)
    assert torch.equal(ensemble.decision(*rows), complete[0])
    assert torch.equal(ensemble.shares(*rows, 2), complete[1])


def test_sizes_build_an_ensemble_that_loads_the_state():
    ensemble = random_ensemble(6, 9, seed=0, outputs=3)
    loaded = TreeEnsemble(INPUTS, **ensemble.sizes())
    loaded.load_state_dict(ensemble.state_dict())
    rows = random_rows(20, seed=0)
    assert torch.equal(loaded(*rows), ensemble(*rows))


def test_an_ensemble_of_one_output_is_stored_as_ever():
    ensemble = random_ensemble(3, 9, seed=0)
    assert [*ensemble.sizes()] == ["trees", "nodes", "bitsets", "depth"]
    assert ensemble.state_dict()["baseline"].shape == ()


@pytest.mark.parametrize(("trees", "outputs"), [(4, 3), (3, 0)])
def test_a_round_without_all_its_trees_is_an_error(trees: int, outputs: int):
    with pytest.raises(ModelFileError, match=f"got: {trees} trees for {outputs} outputs"):
        TreeEnsemble(INPUTS, trees=trees, nodes=9, bitsets=0, depth=1, outputs=outputs)
