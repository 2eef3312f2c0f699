import itertools

import torch

from emm.automtl.fields import FieldFront, count_fields, gated_interactions, interaction
from emm.nn.bags import BagStore, attach_bags
from emm.nn.inputs import Inputs


def test_interaction_is_the_sum_over_pairs() -> None:
    vectors = torch.randn(3, 5, 4)
    pairs = itertools.combinations(vectors.unbind(1), 2)
    torch.testing.assert_close(interaction(vectors), sum(a * b for a, b in pairs))


def test_fewer_than_two_fields_have_no_interaction() -> None:
    torch.testing.assert_close(interaction(torch.randn(3, 1, 4)), torch.zeros(3, 4))


def test_the_gates_of_each_expert_select_the_pairs() -> None:
    vectors = torch.randn(3, 4, 2)
    gates = torch.tensor([[1.0, 1.0, 0.0, 1.0], [0.0, 0.0, 1.0, 0.0]])
    found = gated_interactions(vectors, gates)
    torch.testing.assert_close(found[:, 0], interaction(vectors[:, [0, 1, 3]]))
    torch.testing.assert_close(found[:, 1], torch.zeros(3, 2))


def test_the_gradient_of_a_gate_is_the_share_of_its_field_in_the_pairs() -> None:
    vectors = torch.randn(1, 3, 1)
    gates = torch.tensor([[1.0, 0.0, 1.0]], requires_grad=True)
    gated_interactions(vectors, gates).sum().backward()
    a, b, c = vectors.flatten().tolist()
    torch.testing.assert_close(gates.grad, torch.tensor([[a * c, b * (a + c), c * a]]))


def test_dense_fields_come_first_then_bags_then_sparse_ones() -> None:
    inputs = Inputs(2, (3, 4), bags=(5,))
    front = FieldFront(inputs, 2)
    store = BagStore((torch.tensor([1, 4], dtype=torch.int32),), (torch.tensor([0, 2]),))
    attach_bags(front, store)
    dense, sparse = torch.tensor([[2.0, -1.0]]), torch.tensor([[2, 1, 0]], dtype=torch.int32)
    found = front(dense, sparse)[0]
    expected = [
        2.0 * front.dense[0],
        -1.0 * front.dense[1],
        (front.bags.weight[1] + front.bags.weight[4]) / 2,
        front.table.weight[2],
        front.table.weight[3 + 1],
    ]
    torch.testing.assert_close(found, torch.stack(expected))
    assert count_fields(inputs) == front.fields == 5
    assert front.width == 10


def test_an_encoding_is_added_to_the_vectors_of_dense_fields() -> None:
    front = FieldFront(Inputs(1, (2,), edges=((0.5,),)), 2, "binned")
    found = front(torch.tensor([[0.7]]), torch.zeros(1, 1, dtype=torch.int32))
    torch.testing.assert_close(found[0, 0], 0.7 * front.dense[0] + front.numeric.weight[0, 1])
