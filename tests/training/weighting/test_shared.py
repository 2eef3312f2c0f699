"""What the rules have in common that weigh the tasks' gradients at shared parameters."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from emm.training.weighting import WEIGHTINGS, Weighting, make_weighting
from emm.training.weighting.shared import SharedGradients
from tests.training.weighting.toy import followed, random_rows

RULES = [rule for rule, kind in WEIGHTINGS.items() if issubclass(kind, SharedGradients)]
SCALE_FREE = [rule for rule in RULES if rule in ("nash-mtl", "imtl-g")]
each_rule = pytest.mark.parametrize("rule", RULES)


class Weighed(SharedGradients):
    """Weights 3 and 1 of two tasks, whatever their gradients are."""

    def weigh(self, products: Tensor, tasks: Tensor) -> Tensor:
        self.products, self.tasks_seen = products, tasks.tolist()
        return torch.tensor([3.0, 1.0], dtype=torch.float64)[tasks]


def test_only_shared_elements_are_weighed() -> None:
    shared, towers = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2, 1))
    own = nn.Parameter(torch.ones(()))
    first = 2 * shared.sum() + 5 * towers[0, 0]
    losses = torch.stack([first, 4 * shared[0] + towers[1, 0] + own])
    weighting = Weighed(2)
    weighting.backward(losses, [shared, towers, own])
    assert shared.grad.tolist() == [(3 * 2 + 1 * 4) / 2, 2 / 2]  # the second: of one task only
    assert towers.grad.flatten().tolist() == [5 / 2, 1 / 2]
    assert own.grad.item() == 1 / 2


def test_the_rule_gets_the_dot_products_of_the_shared_part() -> None:
    shared, own = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(1))
    weighting = Weighed(2)
    losses = torch.stack([(shared * torch.tensor([1.0, 2.0])).sum() + own[0], 3 * shared.sum()])
    weighting.backward(losses, [shared, own])
    expected = torch.tensor([[5.0, 9.0], [9.0, 18.0]]) / 23
    torch.testing.assert_close(weighting.products, expected.double())


def test_a_task_without_a_gradient_has_no_part() -> None:
    x = nn.Parameter(torch.ones(2))
    weighting = make_weighting(3, "nash-mtl")
    losses = torch.stack([x.sum(), 0 * x.sum(), x[0] - x[1]])
    weighting.backward(losses, [x], None, torch.tensor([True, False, True]))
    assert x.grad is not None
    two = make_weighting(2, "nash-mtl")
    expected = followed(two, np.array([[1.0, 1.0], [1.0, -1.0]])) * 2 / 3
    assert x.grad.tolist() == pytest.approx(expected.tolist(), abs=1e-6)


@each_rule
def test_the_others_go_on_as_if_there_were_no_third(rule: str) -> None:
    rows = random_rows(2, seed=3)
    three, two = make_weighting(3, rule), make_weighting(2, rule)
    for scale in (1.0, -0.5, 2.0):
        own = rows * np.array([[1.0], [scale]])
        wide = np.stack([own[0], 0 * own[0], own[1]])
        np.testing.assert_allclose(followed(three, wide), followed(two, own) * 2 / 3, atol=1e-9)


@each_rule
def test_equal_gradients_stay_as_they_are(rule: str) -> None:
    rows = np.array([[0.3, -2.0, 1.0]] * 3)
    length = 1.4 if rule == "cagrad" else 1.0  # 1 + c, as in its paper
    found = followed(make_weighting(3, rule), rows)
    np.testing.assert_allclose(found, length * rows[0], atol=2e-4)


@each_rule
def test_orthogonal_gradients_of_equal_length_give_a_multiple_of_their_mean(rule: str) -> None:
    found = followed(make_weighting(3, rule), np.eye(3))
    np.testing.assert_allclose(found, found[0], atol=1e-6)
    assert found[0] > 0.3


@each_rule
@pytest.mark.parametrize("size", [1e-8, 1e6])
def test_weights_dont_depend_on_the_size_of_all_gradients(rule: str, size: float) -> None:
    rows = random_rows(3, seed=1)
    torch.manual_seed(0)
    expected = followed(make_weighting(3, rule), rows)
    torch.manual_seed(0)
    found = followed(make_weighting(3, rule), size * rows) / size
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("rule", SCALE_FREE)
def test_their_direction_doesnt_depend_on_the_scale_of_a_loss(rule: str) -> None:
    rows = random_rows(3, seed=2)
    found = followed(make_weighting(3, rule), rows)
    other = followed(make_weighting(3, rule), rows * np.array([[1.0], [5.0], [0.1]]))
    np.testing.assert_allclose(
        found / np.linalg.norm(found), other / np.linalg.norm(other), atol=1e-6
    )


@each_rule
def test_gradients_that_are_no_numbers_stay_so(rule: str) -> None:
    rows = np.array([[1.0, 2.0], [np.nan, 1.0]])
    assert np.isnan(followed(make_weighting(2, rule), rows)).any()


@each_rule
def test_opposite_gradients_give_finite_ones(rule: str) -> None:
    rows = np.array([[1.0, -2.0], [-2.0, 4.0]])
    assert np.isfinite(followed(make_weighting(2, rule), rows)).all()


def test_steps_that_share_nothing_are_those_of_the_mean() -> None:
    def step(weighting: Weighting) -> list[float]:
        x = nn.Parameter(torch.ones(2))
        weighting.backward(x * torch.tensor([3.0, 5.0]), [x])
        assert x.grad is not None
        return x.grad.tolist()

    assert step(make_weighting(2, "mgda")) == step(make_weighting(2)) == [1.5, 2.5]
