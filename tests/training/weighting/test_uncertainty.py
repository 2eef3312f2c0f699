from math import exp, log

import pytest
import torch

from emm.training.weighting.uncertainty import Uncertainty
from tests.training.weighting.toy import LOSSES, gradients, toy


def weighting_at(*log_variances: float) -> Uncertainty:
    weighting = Uncertainty(2)
    weighting.log_variances.data = torch.tensor(log_variances)
    return weighting


def test_closed_form() -> None:
    parameters, losses = toy()
    weighting = weighting_at(log(2), log(4))
    assert weighting.combine(losses).item() == pytest.approx((3 + 1 + log(8) / 2) / 2)
    weighting.backward(losses, parameters)
    # (1/2 (3, 2) + 1/4 (4, 0)) / 2
    assert gradients(parameters) == pytest.approx([1.25, 0.5])


@pytest.mark.parametrize("log_variances", [(0.0, 0.0), (1.0, -0.5)])
def test_the_gradient_of_the_log_variances(log_variances: tuple[float, ...]) -> None:
    parameters, losses = toy()
    weighting = weighting_at(*log_variances)
    weighting.backward(losses, parameters)
    expected = [(0.5 - exp(-s) * x) / 2 for s, x in zip(log_variances, LOSSES, strict=True)]
    assert weighting.log_variances.grad.tolist() == pytest.approx(expected)


def test_a_log_variance_settles_where_the_weight_is_half_the_inverse_loss() -> None:
    parameters, losses = toy()
    weighting = weighting_at(*(log(2 * x) for x in LOSSES))
    weighting.backward(losses, parameters)
    assert weighting.log_variances.grad.tolist() == pytest.approx([0.0, 0.0], abs=1e-6)


def test_the_log_variances_are_the_only_parameter() -> None:
    weighting = Uncertainty(3)
    (parameter,) = weighting.parameters()
    assert parameter.tolist() == [0.0, 0.0, 0.0]


def test_the_papers_form_for_squared_errors_is_this_one_shifted() -> None:
    # Eq. 7 with s = log sigma^2: L / (2 sigma^2) + log sigma.
    paper = [exp(-s) * x / 2 + s / 2 for s, x in zip((0.3, -0.7), LOSSES, strict=True)]
    shifted = weighting_at(0.3 + log(2), -0.7 + log(2)).combine(torch.tensor(LOSSES))
    assert shifted.item() == pytest.approx(sum(paper) / 2 + log(2) / 2)
