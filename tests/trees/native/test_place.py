import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from emm.nn.inputs import Inputs
from emm.trees.native.nodes import Tree
from emm.trees.native.place import IdSet, Placement, assemble, float32_below


def split_by(ids: list[int], others_left: bool, cardinality: int) -> torch.Tensor:
    """The values of ids -1 to ``cardinality`` under one split by a set: 1 left, 0 right."""
    tree = Tree(
        feature=np.zeros(3, np.int64),
        threshold=np.zeros(3),
        left=np.array([1, 1, 2]),
        right=np.array([2, 1, 2]),
        missing_left=np.zeros(3, np.bool_),
        set=np.array([0, -1, -1]),
        sets=[np.array(ids, np.int64)],
        value=np.array([0.0, 1.0, 0.0]),
    )
    placement = Placement(
        Inputs(0, (cardinality,)),
        np.zeros(1, np.int64),
        np.zeros(1, np.int64),
        lambda _, threshold: threshold,
        lambda _, codes, __: IdSet(np.unique(codes), others_left),
    )
    ensemble = assemble(placement, [tree], np.zeros(()), 1)
    rows = torch.arange(-1, cardinality + 1, dtype=torch.int32)[:, None]
    return ensemble.decision(torch.zeros(len(rows), 0), rows)


@given(st.sets(st.integers(0, 299), max_size=60), st.booleans())
def test_a_set_in_a_large_field_sends_each_id_to_its_side(ids: set[int], others: bool) -> None:
    found = split_by(sorted(ids), others, 300)
    expected = [(number in ids) != others for number in range(-1, 301)]
    assert found.tolist() == [float(each) for each in expected]


@given(st.sets(st.integers(0, 254), max_size=60), st.booleans())
def test_a_set_in_a_small_field_sends_each_id_to_its_side(ids: set[int], others: bool) -> None:
    found = split_by(sorted(ids), others, 255)
    expected = [(number in ids) != others for number in range(-1, 256)]
    assert found.tolist() == [float(each) for each in expected]


@given(st.floats(allow_nan=False), st.floats(allow_nan=False, width=32))
def test_a_float32_threshold_splits_float32_values_like_the_float64_one(
    threshold: float, value: float
) -> None:
    below = float32_below(np.array([threshold]))[0]
    assert (np.float32(value) <= below) == (value <= threshold)
