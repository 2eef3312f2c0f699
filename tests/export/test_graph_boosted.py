"""Trees that each library boosts, walked and in ONNX, against the tables that score them."""

import numpy as np
import pytest
import torch

from emm.export.graph_trees import add_trees, logits_of
from emm.export.nodes import Nodes
from emm.trees.gbdt import GradientBoosting, grow
from emm.trees.settings import LIBRARIES, read_boosting
from emm.trees.sums import by_output
from tests.export.computing import compute
from tests.trees.three_kinds import INPUTS, TRAIN, UNSEEN

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module", params=LIBRARIES)
def model(request: pytest.FixtureRequest) -> GradientBoosting:
    size = {"depth": 4} if request.param == "catboost" else {"max_leaf_nodes": 9}
    section = {"library": request.param, **size}
    boosting = read_boosting(section, "train.gbdt", "the test")
    return grow(TRAIN, INPUTS, boosting, [6, 6, 6], seed=0)


@pytest.mark.parametrize("task", [0, 1, 2])
def test_walked_trees_have_the_bits_of_the_tables(model: GradientBoosting, task: int) -> None:
    ensemble = model.ensembles[task]
    leaves = ensemble._walk(ensemble._values(UNSEEN.dense, UNSEEN.sparse))
    found = by_output(leaves, ensemble.outputs) + ensemble.baseline
    assert torch.equal(found, ensemble.decision(UNSEEN.dense, UNSEEN.sparse))


@pytest.mark.parametrize("task", [0, 1, 2])
def test_the_graph_has_the_bits_of_the_tables(model: GradientBoosting, task: int) -> None:
    ensemble = model.ensembles[task]
    nodes = Nodes()
    name = add_trees(nodes, "x", [logits_of(ensemble, 0)], ensemble.outputs)
    columns = torch.cat([UNSEEN.dense.double(), UNSEEN.sparse.double()], dim=1).numpy()
    found = compute(nodes, {"x": columns}, name)
    expected = ensemble.shares(UNSEEN.dense, UNSEEN.sparse, 1).numpy()
    np.testing.assert_array_equal(found, expected)
