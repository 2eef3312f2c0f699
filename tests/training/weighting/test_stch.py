import pytest
import torch
from torch import Tensor
from torchjd.scalarization import STCH

from emm.training.weighting.stch import SmoothTchebycheff

REFERENCES = torch.tensor([0.5, 2.0, 0.1], dtype=torch.float64)
LOSSES = torch.tensor([0.4, 1.9, 0.02], dtype=torch.float64)


def weights(weighting: SmoothTchebycheff, losses: Tensor, present: Tensor | None = None) -> Tensor:
    leaf = losses.clone().requires_grad_()
    (found,) = torch.autograd.grad(weighting.tasks * weighting.combine(leaf, present), leaf)
    return found


def after_an_epoch(mu: float = 1.0, references: Tensor = REFERENCES) -> SmoothTchebycheff:
    weighting = SmoothTchebycheff(len(references), mu=mu).double()
    weighting.end_epoch(references)
    return weighting


@pytest.mark.parametrize("mu", [0.1, 1.0, 3.0])
def test_the_direction_is_that_of_torchjds_stch_on_logarithms(mu: float) -> None:
    leaf = LOSSES.clone().requires_grad_()
    official = STCH(mu, weights=torch.ones(3), reference=REFERENCES.log())
    (expected,) = torch.autograd.grad(official(leaf.log()), leaf)
    found = weights(after_an_epoch(mu), LOSSES)
    torch.testing.assert_close(found, 3 * expected / expected.sum(), atol=1e-9, rtol=0)


def test_the_first_epoch_follows_the_sum_of_logarithms() -> None:
    expected = LOSSES.reciprocal()
    found = weights(SmoothTchebycheff(3), LOSSES)
    torch.testing.assert_close(found, 3 * expected / expected.sum())


def test_the_references_are_those_of_the_first_epoch() -> None:
    weighting = after_an_epoch()
    weighting.end_epoch(LOSSES)
    assert torch.equal(weighting.references, REFERENCES)


def test_a_small_mu_follows_the_task_that_has_improved_least() -> None:
    found = weights(after_an_epoch(mu=0.001), LOSSES)  # L / N: 0.8, 0.95, 0.2
    assert found.tolist() == pytest.approx([0.0, 3.0, 0.0], abs=1e-9)


def test_an_absent_task_leaves_the_others_their_weights() -> None:
    mask = torch.tensor([True, False, True])
    found = weights(after_an_epoch(), LOSSES * mask, mask)
    alone = weights(after_an_epoch(references=REFERENCES[mask]), LOSSES[mask])
    torch.testing.assert_close(found[mask], alone)
    assert found[1] == 0


def test_a_loss_of_zero_gives_finite_weights() -> None:
    assert weights(after_an_epoch(), LOSSES * torch.tensor([1.0, 0.0, 1.0])).isfinite().all()
