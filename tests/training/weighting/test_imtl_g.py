import numpy as np
import pytest

from emm.training.weighting import make_weighting
from tests.training.weighting.toy import followed, random_rows


def plain(rows: np.ndarray) -> np.ndarray:
    """The paper's eq. 4: a = g_1 U^T (D U^T)^-1 of all tasks but the first."""
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    differences, directions = rows[0] - rows[1:], units[0] - units[1:]
    rest = rows[0] @ directions.T @ np.linalg.inv(differences @ directions.T)
    return np.concatenate([[1 - rest.sum()], rest]) @ rows


@pytest.mark.parametrize("tasks", [2, 3, 5])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_papers_closed_form(tasks: int, seed: int) -> None:
    rows = random_rows(tasks, seed)
    found = followed(make_weighting(tasks, "imtl-g"), rows)
    np.testing.assert_allclose(found, plain(rows), atol=1e-6)


def test_all_tasks_have_the_same_projection() -> None:
    rows = random_rows(4, seed=7)
    found = followed(make_weighting(4, "imtl-g"), rows)
    projections = rows @ found / np.linalg.norm(rows, axis=1)
    np.testing.assert_allclose(projections, projections[0], atol=1e-9)
