import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from emm.training.weighting import make_weighting
from emm.training.weighting.nash_mtl import bargain
from tests.training.weighting.toy import followed, random_rows


@pytest.mark.parametrize("tasks", [2, 3, 6])
@pytest.mark.parametrize("seed", range(4))
def test_weights_solve_the_papers_equation(tasks: int, seed: int) -> None:
    rows = random_rows(tasks, seed)
    found = bargain(torch.from_numpy(rows @ rows.T)).numpy()
    assert (found > 0).all()
    np.testing.assert_allclose(rows @ rows.T @ found * found, 1.0, atol=1e-6)


def test_it_maximises_the_product_of_the_gains_within_a_ball() -> None:
    rows = random_rows(3, seed=1)
    found = followed(make_weighting(3, "nash-mtl"), rows)

    def loss(step: np.ndarray) -> float:
        gains = rows @ (step / np.linalg.norm(step))
        return float(-np.log(np.maximum(gains, 1e-12)).sum())

    best = minimize(loss, found / np.linalg.norm(found), method="BFGS")
    assert loss(found) == pytest.approx(best.fun, abs=1e-6)


def test_of_two_tasks_weights_are_the_inverse_norms() -> None:
    rows = random_rows(2, seed=4)
    shares = 1 / np.linalg.norm(rows, axis=1)
    found = followed(make_weighting(2, "nash-mtl"), rows)
    np.testing.assert_allclose(found, shares / shares.sum() @ rows, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_opposite_gradients_in_float32_have_finite_positive_weights(seed: int) -> None:
    rows = torch.randn(4, 50, generator=torch.Generator().manual_seed(seed))
    rows[1] = -3 * rows[0] + 1e-7 * rows[2]
    found = bargain((rows @ rows.T).double())
    assert found.isfinite().all()
    assert (found > 0).all()


def test_nearly_opposite_gradients_have_a_solution() -> None:
    rows = np.array([[1.0, 1e-9], [-1.0, 0.0], [0.0, 1.0]])
    found = bargain(torch.from_numpy(rows @ rows.T))
    assert found.isfinite().all()
    assert (found > 0).all()
