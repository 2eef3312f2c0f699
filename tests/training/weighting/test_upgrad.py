from itertools import product

import numpy as np
import pytest

from emm.training.weighting import make_weighting
from tests.training.weighting.toy import followed, random_rows


def projected(products: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """min_v v^T G v with v >= wanted, by all sets of active constraints."""
    best, least = wanted, np.inf
    for fixed in product([True, False], repeat=len(wanted)):
        at = np.array(fixed)
        found = wanted.copy()
        if not at.all():
            inside = products[np.ix_(~at, ~at)]
            found[~at] = -np.linalg.solve(inside, products[np.ix_(~at, at)] @ wanted[at])
        value = found @ products @ found
        if (found >= wanted - 1e-12).all() and value < least:
            best, least = found, value
    return best


def plain(rows: np.ndarray) -> np.ndarray:
    """Eq. 6 of the paper, with torchjd's regularisation."""
    products = rows @ rows.T / np.sum(rows**2) + 1e-4 * np.eye(len(rows))
    each = [projected(products, row) for row in np.eye(len(rows)) / len(rows)]
    return np.sum(each, axis=0) @ rows


@pytest.mark.parametrize("tasks", [2, 3, 4])
@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_papers_projection(tasks: int, seed: int) -> None:
    rows = random_rows(tasks, seed)
    found = followed(make_weighting(tasks, "upgrad"), rows)
    np.testing.assert_allclose(found, plain(rows), atol=1e-6 * np.abs(rows).max())


def test_it_conflicts_with_no_task() -> None:
    rows = random_rows(4, seed=3, width=8)
    found = followed(make_weighting(4, "upgrad"), rows)
    regularisation = 1e-4 * np.sum(rows**2)
    assert (rows @ found).min() > -2 * regularisation
    assert (rows @ rows.mean(axis=0)).min() < -20 * regularisation


def test_without_conflicts_it_is_the_mean() -> None:
    rows = np.array([[1.0, 2.0, 0.0], [0.5, 1.0, 1.0]])
    found = followed(make_weighting(2, "upgrad"), rows)
    np.testing.assert_allclose(found, rows.mean(axis=0), atol=1e-9)
