"""The JSON of CatBoost as trees, where it has no splits."""

import numpy as np
import torch

from emm.nn.inputs import Inputs
from emm.trees.catboost_trees import Columns, from_catboost


def test_a_tree_without_splits_adds_its_one_value() -> None:
    split = {"split_type": "FloatFeature", "float_feature_index": 0, "border": 0.5}
    model = {
        "features_info": {},
        "scale_and_bias": [1.0, [0.25]],
        "oblivious_trees": [
            {"splits": None, "leaf_values": [0.5]},
            {"splits": [split], "leaf_values": [1.0, 2.0]},
        ],
    }
    none = np.zeros(0, np.int64)
    columns = Columns(np.zeros(1, np.int64), none)
    trees = from_catboost(model, Inputs(1, ()), columns, 2, np.zeros(1, np.int64), 1, 0.0)
    found = trees.decision(torch.tensor([[0.0], [1.0]]), torch.zeros(2, 0, dtype=torch.int32))
    assert found.flatten().tolist() == [1.75, 2.75]
