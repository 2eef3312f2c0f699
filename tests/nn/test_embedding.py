import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from emm.nn.embedding import EmbeddingTable, FeatureFront
from emm.nn.inputs import Inputs


def ids(rows: int, cardinalities: list[int]) -> Tensor:
    columns = [torch.randint(size, (rows,)) for size in cardinalities]
    return torch.stack(columns, dim=1).int() if columns else torch.empty(rows, 0).int()


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.integers(1, 4), st.integers(0, 5))
def test_one_table_equals_a_table_per_field(cardinalities: list[int], width: int, rows: int):
    table = EmbeddingTable(cardinalities, width)
    sparse = ids(rows, cardinalities)
    fields = table.weight.split(cardinalities)
    expected = [field[column.long()] for field, column in zip(fields, sparse.T, strict=True)]
    assert torch.equal(table(sparse), torch.stack(expected, dim=1))


def test_ids_may_be_int32_or_int64():
    table = EmbeddingTable([3, 4], 2)
    sparse = ids(5, [3, 4])
    assert torch.equal(table(sparse), table(sparse.long()))


def test_the_gradient_of_a_field_stays_in_its_rows():
    table = EmbeddingTable([3, 4], 2)
    table(torch.tensor([[2, 0]], dtype=torch.int32)).sum().backward()
    assert table.weight.grad is not None
    assert table.weight.grad.any(dim=1).tolist() == [False, False, True, True, False, False, False]


def test_embeddings_are_initialised_from_a_narrow_normal():
    weight = EmbeddingTable([5000, 5000], 8).weight
    assert weight.mean().item() == pytest.approx(0, abs=2e-4)
    assert weight.std().item() == pytest.approx(0.01, rel=0.02)


def test_the_offsets_are_not_in_the_state_dict():
    assert list(EmbeddingTable([3, 4], 2).state_dict()) == ["weight"]


@pytest.mark.parametrize("rows", [0, 1, 5])
@pytest.mark.parametrize(("dense", "cardinalities"), [(3, [2, 4]), (0, [2, 4]), (3, [])])
def test_the_front_puts_dense_features_before_embedded_ones(
    rows: int, dense: int, cardinalities: list[int]
):
    front = FeatureFront(Inputs(dense, tuple(cardinalities)), 2)
    x, sparse = torch.randn(rows, dense), ids(rows, cardinalities)
    features = front(x, sparse)
    assert features.shape == (rows, front.width)
    assert torch.equal(features[:, :dense], x)
    assert torch.equal(features[:, dense:], front.table(sparse).flatten(1))
