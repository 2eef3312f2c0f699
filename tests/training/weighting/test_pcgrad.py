import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from emm.training.weighting.pcgrad import PCGrad, project


def backward(
    weighting: PCGrad, *rows: list[float], penalty: list[float] | None = None
) -> list[float]:
    """Gradient of one parameter for tasks whose gradients are ``rows``."""
    x = nn.Parameter(torch.zeros(len(rows[0])))
    added = None if penalty is None else torch.tensor(penalty) @ x
    weighting.backward(torch.tensor(rows) @ x, [x], added)
    return x.grad.tolist()


def plain(gradients: np.ndarray, orders: list[list[int]]) -> np.ndarray:
    """Algorithm 1 of the paper, task by task."""
    projected = gradients.copy()
    for own, order in enumerate(orders):
        for other in order:
            product = projected[own] @ gradients[other]
            if other != own and product < 0:
                squared = gradients[other] @ gradients[other]
                projected[own] -= product / squared * gradients[other]
    return projected


def test_a_conflicting_pair_computed_by_hand() -> None:
    # g_1 = (1, 0) -> (1/2, 1/2), g_2 = (-1, 1) -> (0, 1)
    assert backward(PCGrad(2), [1.0, 0.0], [-1.0, 1.0]) == pytest.approx([0.25, 0.75])


def test_a_conflicting_pair_is_orthogonal_after_the_projection() -> None:
    gradients = torch.tensor([[3.0, -1.0, 0.5], [-2.0, 1.5, 4.0]], dtype=torch.float64)
    gradients[1] -= 2 * gradients[0]
    projected = project(gradients @ gradients.T, [[1], [0]]) @ gradients
    crossed = (projected * gradients.flip(0)).sum(dim=1)
    assert crossed.tolist() == pytest.approx([0.0, 0.0], abs=1e-12)
    assert projected.norm(dim=1).min() > 0.1


def test_an_agreeing_pair_is_unchanged() -> None:
    gradients = torch.tensor([[3.0, -1.0], [2.0, 4.0]])
    assert torch.equal(project(gradients @ gradients.T, [[0, 1], [0, 1]]), torch.eye(2))
    assert backward(PCGrad(2), [3.0, -1.0], [2.0, 4.0]) == [2.5, 1.5]


def test_opposite_gradients_cancel() -> None:
    assert backward(PCGrad(2), [1.0, -2.0], [-2.0, 4.0]) == pytest.approx([0.0, 0.0], abs=1e-6)


def test_a_task_without_a_gradient_changes_nothing() -> None:
    assert backward(PCGrad(2), [1.0, -2.0], [0.0, 0.0]) == [0.5, -1.0]


def test_a_penalty_is_not_projected() -> None:
    found = backward(PCGrad(2), [1.0, 0.0], [-1.0, 1.0], penalty=[-9.0, 0.0])
    assert found == pytest.approx([-8.75, 0.75])


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray, list[list[int]]]:
    tasks, width = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    seed = draw(st.integers(0, 2**32 - 1))
    orders = [draw(st.permutations(range(tasks))) for _ in range(tasks)]
    return np.random.default_rng(seed).normal(size=(tasks, width)), orders


@settings(max_examples=60, deadline=None)
@given(cases())
def test_combinations_equal_the_papers_algorithm(case: tuple[np.ndarray, list[list[int]]]) -> None:
    gradients, orders = case
    combinations = project(torch.from_numpy(gradients @ gradients.T), orders)
    np.testing.assert_allclose(
        combinations.numpy() @ gradients, plain(gradients, orders), atol=1e-9
    )


def test_all_parameters_count_as_one_vector() -> None:
    # (1 | 2, 0) and (1 | -2, 1) agree on the first parameter, but conflict over all.
    first, second = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(2, 1))
    both: Tensor = torch.cat([first, second[:, 0]])
    gradients = np.array([[1.0, 2.0, 0.0], [1.0, -2.0, 1.0]])
    PCGrad(2).backward(torch.tensor(gradients, dtype=torch.float32) @ both, [first, second])
    expected = plain(gradients, [[1], [0]]).mean(axis=0)
    assert first.grad.tolist() == pytest.approx(expected[:1])
    assert second.grad.flatten().tolist() == pytest.approx(expected[1:])


def test_a_parameter_that_no_task_uses_has_no_gradient() -> None:
    shared, own, unused = (nn.Parameter(torch.tensor(1.0)) for _ in range(3))
    PCGrad(2).backward(torch.stack([shared * own, shared * 2]), [shared, own, unused])
    assert (shared.grad.item(), own.grad.item()) == (1.5, 0.5)
    assert unused.grad is None


ORDER_MATTERS = ([1.0, 0.0], [-1.0, 0.5], [-1.0, -2.0])


def steps(seed: int) -> list[list[float]]:
    weighting = PCGrad(3, seed=seed)
    return [backward(weighting, *ORDER_MATTERS) for _ in range(8)]


def test_orders_are_drawn_from_the_seed() -> None:
    torch.manual_seed(1)
    first = steps(0)
    torch.manual_seed(2)
    assert steps(0) == first
    assert steps(1) != first


def test_orders_differ_from_step_to_step() -> None:
    assert len({tuple(found) for found in steps(0)}) > 1


def test_orders_continue_from_the_state_dict() -> None:
    whole, rest = PCGrad(3), PCGrad(3)
    for _ in range(3):
        backward(whole, *ORDER_MATTERS)
    rest.load_state_dict(whole.state_dict())
    assert [backward(rest, *ORDER_MATTERS) for _ in range(8)] == [
        backward(whole, *ORDER_MATTERS) for _ in range(8)
    ]
