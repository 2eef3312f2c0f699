import numpy as np
import pytest
import torch

from emm.training.weighting.gradvac import GradVac
from tests.training.weighting.toy import followed, random_rows


def plain(rows: np.ndarray, cosines: np.ndarray, beta: float) -> np.ndarray:
    """Algorithm 1 of the paper, vector by vector; ``cosines`` [T, T] is updated in place."""
    changed = rows.copy()
    for own in range(len(rows)):
        others = [other for other in range(len(rows)) if other != own]
        for other in (others[place] for place in torch.randperm(len(others)).tolist()):
            first, second = changed[own], rows[other]
            norms = np.linalg.norm(first), np.linalg.norm(second)
            found, usual = first @ second / (norms[0] * norms[1]), cosines[own, other]
            if found < usual:
                sines = np.sqrt(1 - found**2), np.sqrt(1 - usual**2)
                factor = norms[0] * (usual * sines[0] - found * sines[1]) / (norms[1] * sines[1])
                changed[own] = first + factor * second
            cosines[own, other] = (1 - beta) * usual + beta * found
    return changed.mean(axis=0)


@pytest.mark.parametrize("tasks", [2, 4])
@pytest.mark.parametrize("beta", [0.1, 0.5])
def test_steps_are_those_of_the_papers_algorithm(tasks: int, beta: float) -> None:
    weighting, cosines = GradVac(tasks, beta=beta), np.zeros((tasks, tasks))
    for seed in range(8):
        rows = random_rows(tasks, seed)
        torch.manual_seed(seed)
        found = followed(weighting, rows)
        torch.manual_seed(seed)
        np.testing.assert_allclose(found, plain(rows, cosines, beta), atol=1e-6)
    np.testing.assert_allclose(weighting.cosines.numpy(), cosines, atol=1e-6)


def test_making_one_draws_no_random_number() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    GradVac(3)
    assert torch.equal(torch.rand(3), expected)


def test_cosines_of_an_absent_task_stay() -> None:
    weighting = GradVac(3)
    followed(weighting, random_rows(3))
    before = weighting.cosines.clone()
    followed(weighting, random_rows(3, seed=1) * np.array([[1.0], [0.0], [1.0]]))
    assert torch.equal(weighting.cosines[1], before[1])
    assert torch.equal(weighting.cosines[:, 1], before[:, 1])
    assert weighting.cosines[0, 2] != before[0, 2]


def test_steps_continue_from_the_state_dict() -> None:
    whole, rest = GradVac(2), GradVac(2)
    for seed in range(3):
        followed(whole, random_rows(2, seed))
    rest.load_state_dict(whole.state_dict())
    rows = random_rows(2, seed=9)
    assert followed(rest, rows).tolist() == followed(whole, rows).tolist()
