import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from emm.core.errors import ParamsError
from emm.training.weighting import make_weighting
from tests.training.weighting.toy import followed, random_rows


def plain(rows: np.ndarray, c: float) -> np.ndarray:
    """Algorithm 1 of the paper for two tasks; the minimum over w is found on a line."""
    mean = rows.mean(axis=0)
    radius = c * np.linalg.norm(mean)

    def mixed(share: float) -> np.ndarray:
        return share * rows[0] + (1 - share) * rows[1]

    def objective(share: float) -> float:
        return float(mixed(share) @ mean + radius * np.linalg.norm(mixed(share)))

    share = minimize_scalar(objective, bounds=(0, 1), method="bounded", options={"xatol": 1e-10}).x
    worst = mixed(share)
    return mean + radius * worst / np.linalg.norm(worst)


@pytest.mark.parametrize("seed", [0, 1, 3, 4, 5])
@pytest.mark.parametrize("c", [0.4, 0.9])
def test_it_is_the_papers_algorithm(seed: int, c: float) -> None:
    rows = random_rows(2, seed)
    rows /= np.linalg.norm(rows)
    found = followed(make_weighting(2, "cagrad", c=c), rows)
    np.testing.assert_allclose(found, plain(rows, c), atol=1e-6)


def test_where_one_task_is_the_worst_its_solver_stops_a_little_earlier() -> None:
    rows = random_rows(2, seed=2)
    rows /= np.linalg.norm(rows)
    found = followed(make_weighting(2, "cagrad", c=0.9), rows)
    np.testing.assert_allclose(found, plain(rows, 0.9), atol=1e-4)


def test_with_c_zero_it_is_the_mean() -> None:
    rows = random_rows(3)
    found = followed(make_weighting(3, "cagrad", c=0.0), rows)
    np.testing.assert_allclose(found, rows.mean(axis=0), atol=1e-6)


def test_it_stays_within_its_distance_of_the_mean() -> None:
    rows = random_rows(4, seed=5)
    mean = rows.mean(axis=0)
    found = followed(make_weighting(4, "cagrad", c=0.5), rows)
    assert np.linalg.norm(found - mean) == pytest.approx(0.5 * np.linalg.norm(mean), rel=1e-4)


def test_a_negative_c_is_an_error() -> None:
    with pytest.raises(ParamsError, match=r"weighting\.c: got -1, expected at least 0"):
        make_weighting(2, "cagrad", c=-1)
