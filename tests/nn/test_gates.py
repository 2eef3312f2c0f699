import numpy as np
import pytest
import torch
from scipy.special import softmax

from emm.nn.gates import Gates, mix, over_all_experts


@pytest.mark.parametrize("rows", [0, 1, 5])
@pytest.mark.parametrize("shared", [True, False])
def test_gates_are_softmaxes_of_linear_scores(rows: int, shared: bool):
    gates = Gates(3, 4, 6).double()
    x = torch.randn(rows, 4) if shared else torch.randn(rows, 3, 4)
    x = x.double()
    expected = np.zeros((rows, 3, 6))
    for row in range(rows):
        for gate in range(3):
            values = x[row] if shared else x[row, gate]
            expected[row, gate] = softmax(gates.linear.weight[gate].detach() @ values)
    np.testing.assert_allclose(gates(x).detach(), expected, rtol=1e-12)


def test_mix_is_a_weighted_sum():
    weights, experts = torch.rand(5, 2, 3), torch.rand(5, 3, 4)
    expected = torch.zeros(5, 2, 4)
    for gate in range(2):
        for expert in range(3):
            expected[:, gate] += weights[:, gate, expert, None] * experts[:, expert]
    torch.testing.assert_close(mix(weights, experts), expected)


def test_over_all_experts_puts_zeros_elsewhere():
    weights = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    expected = [[1, 2, 0, 0, 0, 0], [0, 0, 3, 4, 0, 0], [0, 0, 0, 0, 5, 6]]
    assert over_all_experts(weights).tolist() == expected


def test_over_all_experts_keeps_batch_dimensions():
    weights = torch.rand(5, 3, 2)
    expected = torch.stack([over_all_experts(row) for row in weights])
    assert torch.equal(over_all_experts(weights), expected)
