import pytest
import torch
from torchjd.scalarization import GeometricMean

from emm.training.weighting.geometric import Geometric
from tests.training.weighting.toy import LOSSES, gradients, toy


def slopes(losses: torch.Tensor, present: torch.Tensor | None = None) -> torch.Tensor:
    """The gradient of the combined losses with respect to the losses."""
    leaf = losses.clone().requires_grad_()
    (found,) = torch.autograd.grad(Geometric(len(losses)).combine(leaf, present), leaf)
    return found


def test_closed_form() -> None:
    parameters, losses = toy()
    Geometric(2).backward(losses, parameters)
    mean = (LOSSES[0] * LOSSES[1]) ** 0.5
    expected = [mean / 2 * (3 / LOSSES[0] + 4 / LOSSES[1]), mean / 2 * 2 / LOSSES[0]]
    assert gradients(parameters) == pytest.approx(expected)


@pytest.mark.parametrize("losses", [[0.3, 0.7], [0.02, 5.0, 0.4, 0.4]])
def test_its_gradient_is_that_of_torchjds_geometric_mean(losses: list[float]) -> None:
    leaf = torch.tensor(losses, dtype=torch.float64, requires_grad=True)
    (expected,) = torch.autograd.grad(GeometricMean()(leaf), leaf)
    torch.testing.assert_close(slopes(leaf.detach()), expected, atol=1e-12, rtol=0)


def test_an_absent_task_leaves_the_others_their_weights() -> None:
    losses, mask = torch.tensor([0.3, 0.0, 0.7]), torch.tensor([True, False, True])
    found = slopes(losses, mask)
    torch.testing.assert_close(found[mask], slopes(losses[mask]) * 2 / 3)
    assert found[1] == 0


def test_a_loss_of_zero_gives_finite_gradients() -> None:
    assert slopes(torch.tensor([0.0, 0.7])).isfinite().all()
