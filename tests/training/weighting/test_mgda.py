import numpy as np
import pytest

from emm.training.weighting import make_weighting
from tests.training.weighting.toy import followed, random_rows


def shortest(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The shortest vector between two: the closed form of the paper's Figure 1."""
    between = first - second
    share = np.clip(-(between @ second) / (between @ between), 0, 1)
    return share * first + (1 - share) * second


def frank_wolfe(rows: np.ndarray) -> np.ndarray:
    """Algorithm 2 of the paper, vector by vector."""
    shares = np.full(len(rows), 1 / len(rows))
    for _ in range(100):
        nearest = int(np.argmin(rows @ (shares @ rows)))
        vertex, now = rows[nearest], shares @ rows
        if vertex @ now >= vertex @ vertex:
            step = 1.0
        elif vertex @ now >= now @ now:
            step = 0.0
        else:
            step = (now - vertex) @ now / ((now - vertex) @ (now - vertex))
        shares = (1 - step) * shares + step * np.eye(len(rows))[nearest]
        if step < 0.001:
            break
    return shares @ rows


@pytest.mark.parametrize("seed", range(6))
def test_of_two_tasks_it_is_the_shortest_gradient_between_them(seed: int) -> None:
    rows = random_rows(2, seed)
    found = followed(make_weighting(2, "mgda"), rows)
    np.testing.assert_allclose(found, shortest(*rows), atol=1e-6)


@pytest.mark.parametrize("tasks", [3, 5])
def test_of_several_it_is_the_papers_algorithm(tasks: int) -> None:
    rows = random_rows(tasks, seed=tasks)
    found = followed(make_weighting(tasks, "mgda"), rows)
    np.testing.assert_allclose(found, frank_wolfe(rows), atol=1e-6)


def test_where_no_step_improves_all_tasks_it_is_zero() -> None:
    rows = np.array([[1.0, 0.0], [-1.0, 0.0]])
    np.testing.assert_allclose(followed(make_weighting(2, "mgda"), rows), 0, atol=1e-9)
