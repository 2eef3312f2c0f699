import pytest
import torch

from emm.training.weighting.random import RandomWeighting
from tests.training.weighting.toy import gradients, toy


def weights(weighting: RandomWeighting) -> torch.Tensor:
    """The weights of a step: the gradient of T times the combined losses."""
    losses = torch.zeros(weighting.tasks, requires_grad=True)
    (found,) = torch.autograd.grad(weighting.tasks * weighting.combine(losses), losses)
    return found


def test_weights_are_the_papers_softmax_of_normal_draws() -> None:
    draws, weighting = torch.Generator().manual_seed(7), RandomWeighting(3, seed=7)
    for _ in range(4):
        expected = 3 * torch.softmax(torch.randn(3, generator=draws), dim=0)
        torch.testing.assert_close(weights(weighting), expected)


def test_closed_form() -> None:
    parameters, losses = toy()
    RandomWeighting(2, seed=1).backward(losses, parameters)
    first, second = weights(RandomWeighting(2, seed=1)).tolist()
    expected = [(3 * first + 4 * second) / 2, first]  # 1/2 (w_1 (3, 2) + w_2 (4, 0))
    assert gradients(parameters) == pytest.approx(expected)


def test_weights_are_one_on_average() -> None:
    weighting = RandomWeighting(4)
    mean = torch.stack([weights(weighting) for _ in range(3000)]).mean(dim=0)
    torch.testing.assert_close(mean, torch.ones(4), atol=0.05, rtol=0)


def test_draws_depend_on_the_seed_and_on_nothing_else() -> None:
    torch.manual_seed(1)
    first = weights(RandomWeighting(2))
    torch.manual_seed(2)
    assert torch.equal(weights(RandomWeighting(2)), first)
    assert not torch.equal(weights(RandomWeighting(2, seed=1)), first)
