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
def test_a_vector_is_the_mean_of_its_bags_rows(bags: list[list[int]], data: st.DataObject) -> None:
    owners = data.draw(st.lists(st.integers(0, len(bags) - 1), max_size=8))
    second = [[3 - i % 3 for i in bag] for bag in bags]
    embedding = BagEmbedding([5, 4], 3)
    attach_bags(embedding, store(bags, second))
    found = embedding(torch.tensor(owners, dtype=torch.int32))

    def mean(rows: Tensor, bag: list[int]) -> Tensor:
        return rows[bag].mean(0) if bag else torch.zeros(3)

    first, last = embedding.weight.split([5, 4])
    plain = [torch.cat([mean(first, bags[o]), mean(last, second[o])]) for o in owners]
    expected = torch.stack(plain) if plain else torch.zeros(0, 6)
    assert torch.allclose(found, expected, atol=1e-6)


def test_every_item_of_a_bag_gets_a_gradient_and_no_other() -> None:
    embedding = BagEmbedding([5], 2)
    attach_bags(embedding, store([[1, 3], [], [4]]))
    embedding(torch.tensor([0, 1])).sum().backward()
    assert embedding.weight.grad is not None
    assert embedding.weight.grad[:, 0].tolist() == [0, 0.5, 0, 0.5, 0]


def test_the_front_reads_whose_bags_they_are_in_the_last_sparse_column() -> None:
    front = FeatureFront(Inputs(1, (3, 2), bags=(5,)), 4)
    attach_bags(front, store([[1], [2, 2]]))
    dense, sparse = torch.ones(2, 1), torch.tensor([[0, 1, 1], [2, 0, 0]])
    found = front(dense, sparse)
    assert found.shape == (2, front.width) == (2, 1 + 3 * 4)
    assert front.bags is not None
    assert torch.equal(found[:, 1:5], front.bags.weight[[2, 1]])
    assert torch.equal(found[:, 5:], front.table(sparse[:, :2]).flatten(1))


def test_without_its_bags_a_model_says_so() -> None:
    with pytest.raises(RuntimeError, match="attach_bags"):
        BagEmbedding([5], 2)(torch.tensor([0]))


def test_copies_share_the_store() -> None:
    embedding = BagEmbedding([5], 2)
    attach_bags(embedding, store([[1]]))
    assert copy.deepcopy(embedding).store is embedding.store


def test_the_store_is_no_weight() -> None:
    embedding = BagEmbedding([5], 2)
    attach_bags(embedding, store([[1]]))
    assert list(embedding.state_dict()) == ["weight"]
