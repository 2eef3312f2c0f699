from math import exp, log

import pytest
import torch
from torchjd.scalarization import IMTLL

from emm.training.weighting.imtl_l import ImpartialLosses
from tests.training.weighting.toy import LOSSES, gradients, toy


def weighting_at(*log_scales: float) -> ImpartialLosses:
    weighting = ImpartialLosses(len(log_scales))
    weighting.log_scales.data = torch.tensor(log_scales)
    return weighting


def test_closed_form() -> None:
    parameters, losses = toy()
    weighting = weighting_at(log(2), log(0.5))
    weighting.backward(losses, parameters)
    assert gradients(parameters) == pytest.approx([(2 * 3 + 4 / 2) / 2, 2 * 2 / 2])
    assert weighting.log_scales.grad is not None
    expected = [(2 * LOSSES[0] - 1) / 2, (LOSSES[1] / 2 - 1) / 2]
    assert weighting.log_scales.grad.tolist() == pytest.approx(expected)


def test_it_is_torchjds_divided_by_the_tasks() -> None:
    official, losses = IMTLL(3), torch.tensor([0.3, 0.1, 2.0])
    official.log_scale.data = torch.tensor([0.4, -1.0, 0.2])
    found = weighting_at(0.4, -1.0, 0.2).combine(losses)
    torch.testing.assert_close(found, official(losses) / 3)


def test_a_scale_settles_where_the_scaled_loss_is_one() -> None:
    parameters, losses = toy()
    weighting = weighting_at(*(-log(loss) for loss in LOSSES))
    weighting.backward(losses, parameters)
    assert weighting.log_scales.grad is not None
    assert weighting.log_scales.grad.tolist() == pytest.approx([0.0, 0.0], abs=1e-6)
    assert exp(weighting.log_scales[0].item()) * LOSSES[0] == pytest.approx(1.0)


def test_the_scale_of_an_absent_task_has_no_gradient() -> None:
    weighting, losses = weighting_at(0.2, 0.3), torch.tensor([0.5, 0.0])
    weighting.combine(losses, torch.tensor([True, False])).backward()
    assert weighting.log_scales.grad is not None
    assert weighting.log_scales.grad.tolist() == pytest.approx([(exp(0.2) * 0.5 - 1) / 2, 0.0])
