"""Rules whose weights depend on the losses, in a batch that two processes share."""

import pytest
import torch
from torch import Tensor

from emm.training.weighting import WEIGHTINGS, make_weighting
from emm.training.weighting.base import LossWeighting

RULES = [rule for rule, kind in WEIGHTINGS.items() if issubclass(kind, LossWeighting)]
PARTS = torch.tensor([[0.2, 3.0], [0.6, 1.0]])  # losses of two processes, whose mean is the batch's


def slopes(rule: str, losses: Tensor) -> Tensor:
    leaf = losses.clone().requires_grad_()
    (found,) = torch.autograd.grad(make_weighting(2, rule).combine(leaf), leaf)
    return found


@pytest.mark.parametrize("rule", RULES)
def test_all_processes_weigh_by_the_losses_of_the_batch(
    rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = slopes(rule, PARTS.mean(dim=0))
    assert not torch.allclose(slopes(rule, PARTS[0]), whole)
    monkeypatch.setattr("emm.training.weighting.base.per_process", lambda _: PARTS.mean(dim=0))
    for part in PARTS:
        torch.testing.assert_close(slopes(rule, part), whole)
