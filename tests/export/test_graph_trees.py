"""Trees in ONNX against the project's own, bit by bit."""

import numpy as np
import pytest
import skl2onnx
import torch
from sklearn.ensemble import GradientBoostingClassifier

from emm.core.errors import ModelFileError
from emm.export.graph_trees import add_trees, logits_of, shares_of
from emm.export.nodes import ML, Nodes
from emm.export.subgraph import part_for
from emm.trees.forest import TreeEnsemble
from tests.export.computing import compute
from tests.trees.forest import INPUTS, random_ensemble, random_rows

pytest.importorskip("onnxruntime")

ROWS = 300
WIDTH = INPUTS.dense + len(INPUTS.cardinalities)


Rows = tuple[torch.Tensor, torch.Tensor]


def sums(nodes: Nodes, name: str, rows: Rows) -> np.ndarray:
    """The tensor ``name`` for rows, by onnxruntime with one thread."""
    x = torch.cat([each.double() for each in rows], dim=1).numpy()
    return compute(nodes, {"x": x}, name)


def known_rows() -> Rows:
    """Rows with ids that the encoder gives, and without missing numbers, which it replaces."""
    dense, sparse = random_rows(ROWS, 3)
    return dense.nan_to_num(0.25, posinf=2.0, neginf=-2.0), sparse


def with_one_leaf(ensemble: TreeEnsemble) -> TreeEnsemble:
    """The ensemble, its second tree cut down to a leaf at its root."""
    root = int(ensemble.starts[1])
    ensemble.left[root] = ensemble.right[root] = root
    return ensemble


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("levels", [1, 2, 4])
def test_the_shares_of_levels_are_equal_bit_by_bit(outputs: int, levels: int) -> None:
    ensemble = with_one_leaf(random_ensemble(6 * outputs, 21, outputs, outputs=outputs))
    nodes = Nodes()
    name = add_trees(nodes, "x", [shares_of(ensemble, levels, 0)], outputs * levels)
    found = sums(nodes, name, known_rows())
    expected = ensemble.shares(*known_rows(), levels).numpy()
    np.testing.assert_array_equal(found, expected)


def test_several_ensembles_are_side_by_side() -> None:
    first, second = random_ensemble(5, 15, 0), random_ensemble(8, 31, 1, outputs=2)
    nodes = Nodes()
    name = add_trees(nodes, "x", [logits_of(first, 0), logits_of(second, 1)], 3)
    found = sums(nodes, name, known_rows())
    rows = known_rows()
    apart = [each.shares(*rows, 1) for each in (first, second)]
    np.testing.assert_allclose(found, torch.cat(apart, dim=1).numpy(), rtol=0, atol=1e-12)


def test_a_set_without_ids_sends_every_row_right() -> None:
    ensemble = random_ensemble(3, 9, 2)
    ensemble.bitsets.zero_()
    nodes = Nodes()
    name = add_trees(nodes, "x", [logits_of(ensemble, 0)], 1)
    found = sums(nodes, name, known_rows())
    expected = ensemble.shares(*known_rows(), 1).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_missing_numbers_go_where_the_tree_sends_them() -> None:
    ensemble = random_ensemble(4, 25, 5)
    nodes = Nodes()
    name = add_trees(nodes, "x", [shares_of(ensemble, 1, 0)], 1)
    dense, sparse = random_rows(ROWS, 4)  # with NaN
    found = sums(nodes, name, (dense, sparse))
    expected = ensemble.shares(dense, sparse, 1).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("outputs", [1, 3])
def test_trees_as_an_older_operator_are_the_same_in_float32(outputs: int) -> None:
    ensemble = with_one_leaf(random_ensemble(6 * outputs, 21, outputs, outputs=outputs))
    nodes = Nodes()
    nodes.require({"": 20, ML: 4}, "a member")
    name = add_trees(nodes, "x", [shares_of(ensemble, 2, 0)], outputs * 2)
    found = sums(nodes, name, known_rows())
    assert {node.op_type for node in nodes.nodes} == {"TreeEnsembleRegressor", "Cast"}
    expected = ensemble.shares(*known_rows(), 2).numpy()
    np.testing.assert_array_equal(found.astype(np.float32), expected.astype(np.float32))


def test_an_empty_set_as_an_older_operator_sends_every_row_right() -> None:
    ensemble = random_ensemble(3, 9, 2)
    ensemble.bitsets.zero_()
    nodes = Nodes()
    nodes.require({"": 20, ML: 4}, "a member")
    found = sums(nodes, add_trees(nodes, "x", [logits_of(ensemble, 0)], 1), known_rows())
    expected = ensemble.shares(*known_rows(), 1).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_older_operators_after_newer_trees_are_refused() -> None:
    nodes = Nodes()
    add_trees(nodes, "x", [logits_of(random_ensemble(3, 9, 2), 0)], 1)
    with pytest.raises(ModelFileError, match="newer versions of ONNX lack"):
        nodes.require({"": 20, ML: 4}, "a member")


def test_trees_of_scikit_learn_are_next_to_the_own_ones() -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(200, WIDTH)).astype(np.float32)
    boosted = GradientBoostingClassifier(n_estimators=5).fit(x, (x[:, 0] > x[:, 1]).astype(int))
    proto = skl2onnx.to_onnx(boosted, x[:1], options={"zipmap": False})
    ensemble, nodes = random_ensemble(5, 15, 0), Nodes()
    graph, versions = part_for(proto, "probabilities", "a file")
    nodes.require(versions, "a member")
    single = nodes.cast("x", "FLOAT")
    nodes.insert(graph, "member", {"X": single, "probabilities": "theirs"})
    own = add_trees(nodes, "x", [logits_of(ensemble, 0)], 1)
    both = nodes.concat([nodes.cast("theirs", "DOUBLE"), own])
    found = sums(nodes, both, known_rows())
    rows = torch.cat([each.float() for each in known_rows()], dim=1).numpy()
    np.testing.assert_allclose(found[:, :2], boosted.predict_proba(rows), atol=1e-5)
    expected = ensemble.shares(*known_rows(), 1).numpy()
    np.testing.assert_allclose(found[:, 2:], expected, rtol=1e-6)


def test_an_ensemble_without_trees_is_its_baseline() -> None:
    ensemble = TreeEnsemble(INPUTS, trees=0, nodes=0, bitsets=0, depth=0, outputs=2)
    ensemble.baseline.copy_(torch.tensor([0.5, -2.0]))
    nodes = Nodes()
    found = sums(nodes, add_trees(nodes, "x", [logits_of(ensemble, 0)], 2), known_rows())
    np.testing.assert_array_equal(found, [[0.5, -2.0]] * ROWS)
