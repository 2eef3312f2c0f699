import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from emm.nn.bags import BagEmbedding, BagStore, attach_bags
from emm.nn.embedding import FeatureFront
from emm.nn.inputs import Inputs

BAGS = st.lists(st.lists(st.integers(0, 4), max_size=5), min_size=1, max_size=6)


def store(*fields: list[list[int]]) -> BagStore:
    values = [
        torch.tensor([i for bag in field for i in bag], dtype=torch.int32) for field in fields
    ]
    lengths = [torch.tensor([0, *map(len, field)]) for field in fields]
    return BagStore(tuple(values), tuple(each.cumsum(0) for each in lengths))


@settings(deadline=None, max_examples=40)
@given(BAGS, st.data())
def test_the_embedding_is_the_mean_over_the_bag(bags: list[list[int]], data: st.DataObject) -> None:
    owners = data.draw(st.lists(st.integers(0, len(bags) - 1), max_size=8))
    second = [[3 - i % 3 for i in bag] for bag in bags]
    embedding = BagEmbedding([5, 4], 3)
    attach_bags(embedding, store(bags, second))
    found = embedding(torch.tensor(owners, dtype=torch.int32))

    def mean(rows: Tensor, bag: list[int]) -> Tensor:
        return rows[bag].mean(0) if bag else torch.zeros(3)

    first, last = embedding.weight.split([5, 4])
    means = [torch.cat([mean(first, bags[o]), mean(last, second[o])]) for o in owners]
    expected = torch.stack(means) if means else torch.zeros(0, 6)
    assert torch.allclose(found, expected, atol=1e-6)


def test_exactly_the_items_of_the_bags_get_a_gradient() -> None:
    embedding = BagEmbedding([5], 2)
    attach_bags(embedding, store([[1, 3], [], [4]]))
    embedding(torch.tensor([0, 1])).sum().backward()
    assert embedding.weight.grad is not None
    assert embedding.weight.grad[:, 0].tolist() == [0, 0.5, 0, 0.5, 0]


def test_the_last_sparse_column_is_the_owner_of_the_bags() -> None:
    front = FeatureFront(Inputs(1, (3, 2), bags=(5,)), 4)
    attach_bags(front, store([[1], [2, 2]]))
    dense, sparse = torch.ones(2, 1), torch.tensor([[0, 1, 1], [2, 0, 0]])
    found = front(dense, sparse)
    assert found.shape == (2, front.width) == (2, 1 + 3 * 4)
    assert front.bags is not None
    assert torch.equal(found[:, 1:5], front.bags.weight[[2, 1]])
    assert torch.equal(found[:, 5:], front.table(sparse[:, :2]).flatten(1))


def test_a_model_without_its_bags_raises() -> None:
    with pytest.raises(RuntimeError, match="attach_bags"):
        BagEmbedding([5], 2)(torch.tensor([0]))


def test_a_copied_model_shares_the_bags() -> None:
    embedding = BagEmbedding([5], 2)
    attach_bags(embedding, store([[1]]))
    assert copy.deepcopy(embedding).store is embedding.store


def test_the_bags_are_not_in_the_state_dict() -> None:
    embedding = BagEmbedding([5], 2)
    attach_bags(embedding, store([[1]]))
    assert list(embedding.state_dict()) == ["weight"]
