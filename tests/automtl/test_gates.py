import pytest
import torch

from emm.automtl.gates import (
    decided,
    drawn,
    never_empty,
    opened,
    softmax_of_all,
    softmax_of_open,
)


def test_a_drawn_gate_is_open_with_its_probability() -> None:
    torch.manual_seed(0)
    logits = torch.tensor([-1.5, 0.0, 2.0])
    draws = torch.stack([drawn(logits) for _ in range(4000)])
    assert set(draws.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(draws.mean(dim=0), logits.sigmoid(), atol=0.03, rtol=0)


def test_the_gradient_of_a_drawn_gate_is_that_of_its_probability() -> None:
    torch.manual_seed(0)
    logits = torch.tensor([-1.5, 0.0, 2.0], requires_grad=True)
    slopes = torch.tensor([3.0, -1.0, 0.5])
    (drawn(logits) * slopes).sum().backward()
    p = logits.detach().sigmoid()
    torch.testing.assert_close(logits.grad, slopes * p * (1 - p))


def test_an_opened_gate_is_open_and_has_the_gradient_of_its_probability() -> None:
    logits = torch.tensor([-1.5, 0.0, 2.0], requires_grad=True)
    slopes = torch.tensor([3.0, -1.0, 0.5])
    gates = opened(logits)
    assert gates.tolist() == [1.0, 1.0, 1.0]
    (gates * slopes).sum().backward()
    p = logits.detach().sigmoid()
    torch.testing.assert_close(logits.grad, slopes * p * (1 - p))


def test_decided_gates_have_their_more_likely_value() -> None:
    assert decided(torch.tensor([-0.1, 0.0, 0.1])).tolist() == [0.0, 0.0, 1.0]


def test_a_row_without_an_open_gate_opens_its_most_likely_one() -> None:
    logits = torch.tensor([[-3.0, -1.0, -2.0], [1.0, -1.0, 2.0]])
    gates = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    assert never_empty(gates, logits).tolist() == [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]


def test_softmax_is_only_over_open_gates() -> None:
    scores = torch.randn(5, 2, 4)
    gates = torch.tensor([[1.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 0.0]])
    found = softmax_of_open(scores, gates)
    expected = torch.zeros_like(scores)
    expected[:, 0, [0, 2, 3]] = scores[:, 0, [0, 2, 3]].softmax(dim=1)
    expected[:, 1, 1] = 1.0
    torch.testing.assert_close(found, expected)


def test_a_softmax_over_all_experts_leaves_the_weight_of_closed_gates_out() -> None:
    scores = torch.randn(5, 2, 4)
    gates = torch.tensor([[1.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 0.0]])
    found = softmax_of_all(scores, gates)
    for row, reader, k in torch.cartesian_prod(*map(torch.arange, scores.shape)).tolist():
        share = scores[row, reader, k].exp() / scores[row, reader].exp().sum()
        torch.testing.assert_close(found[row, reader, k], share * gates[reader, k])


def test_a_closed_gate_has_the_gradient_of_opening_it() -> None:
    scores = torch.randn(3, 1, 2, dtype=torch.float64)
    values = torch.randn(2, dtype=torch.float64)
    gates = torch.tensor([[1.0, 0.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda g: softmax_of_open(scores, g), gates)
    (softmax_of_open(scores, gates) @ values).sum().backward()
    # d/dg_2 of (v_1 e_1 + g_2 v_2 e_2) / (e_1 + g_2 e_2) at 0 is (v_2 - v_1) e_2 / e_1.
    ratio = (scores[:, 0, 1] - scores[:, 0, 0]).exp().sum()
    torch.testing.assert_close(gates.grad[0, 1], (values[1] - values[0]) * ratio)


@pytest.mark.parametrize("gap", [200.0, 1e4])
def test_an_open_gate_far_below_a_closed_one_gives_no_nan(gap: float) -> None:
    found = softmax_of_open(torch.tensor([[[0.0, gap]]]), torch.tensor([[1.0, 0.0]]))
    assert bool(found.isfinite().all())
