from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn
from torchjd import scalarization

from emm.training.fit import train_epoch
from emm.training.forward import forward_of
from emm.training.optimisers import Optimisation, Stepper
from emm.training.weighting.famo import FAMO
from tests.training.fitting import TRAIN, Linear, mmoe


def weights(weighting: FAMO, losses: Tensor, present: Tensor | None = None) -> Tensor:
    leaf = losses.clone().requires_grad_()
    (found,) = torch.autograd.grad(weighting.tasks * weighting.combine(leaf, present), leaf)
    return found


def test_a_step_computed_by_hand() -> None:
    weighting = FAMO(2, learning_rate=0.1, decay=0.0)
    losses = torch.tensor([0.5, 0.25])
    # z = (1/2, 1/2): z / L = (1, 2), scaled to the sum 2.
    assert weights(weighting, losses).tolist() == pytest.approx([2 / 3, 4 / 3])
    weighting.move(torch.tensor([0.25, 0.25]), None)
    # log L - log L' = (log 2, 0): the second task fell less. Adam's first step has the size lr.
    assert weighting.logits.tolist() == pytest.approx([-0.1, 0.1], abs=1e-6)


def test_weights_and_logits_are_those_of_torchjd() -> None:
    torch.manual_seed(0)
    official = scalarization.FAMO(3, lr=0.05, weight_decay=0.01).double()
    weighting = FAMO(3, learning_rate=0.05, decay=0.01).double()
    for losses, after in torch.rand(40, 2, 3, dtype=torch.float64) + 0.05:
        leaf = losses.clone().requires_grad_()
        (expected,) = torch.autograd.grad(official(leaf), leaf)
        torch.testing.assert_close(weights(weighting, losses), 3 * expected, atol=1e-6, rtol=1e-6)
        official.update(after)
        weighting.move(after, None)
        torch.testing.assert_close(weighting.logits, official._w.data, atol=1e-6, rtol=0)


def test_an_epoch_equals_the_published_loop() -> None:
    """Two forward passes per step, the second one after the optimiser's step."""
    model, weighting = Linear(), FAMO(2)
    other, official = deepcopy(model), scalarization.FAMO(2)
    how = Optimisation(learning_rate=0.05, weight_decay=0.0)
    batches = [TRAIN.part(first, first + 50) for first in range(0, 300, 50)]
    train_epoch(model, TRAIN, batches, weighting, Stepper(model, [], how, 6))
    optimiser, forward = torch.optim.Adam(other.parameters(), lr=0.05), forward_of(other)
    for batch in batches:
        optimiser.zero_grad()
        official(forward(batch).tasks).backward()
        optimiser.step()
        with torch.no_grad():
            official.update(forward(batch).tasks)
    torch.testing.assert_close(model.layer.weight, other.layer.weight, atol=1e-6, rtol=0)
    torch.testing.assert_close(weighting.logits, official._w.data, atol=1e-6, rtol=0)


def test_its_steps_are_not_compiled() -> None:
    assert FAMO(2).one_gradient
    assert not FAMO(2).may_compile


def test_an_absent_task_leaves_the_others_as_if_there_were_no_third() -> None:
    mask = torch.tensor([True, False, True])
    three, two = FAMO(3, decay=0.1), FAMO(2, decay=0.1)
    for losses, after in torch.rand(5, 2, 3, generator=torch.Generator().manual_seed(0)).add(0.05):
        found = weights(three, losses * mask, mask)
        torch.testing.assert_close(found[mask], weights(two, losses[mask]))
        three.move(after * mask, mask)
        two.move(after[mask], None)
    torch.testing.assert_close(three.logits[mask], two.logits)
    assert three.logits[1] == 0


def test_without_any_task_the_logits_stay() -> None:
    weighting, none = FAMO(2), torch.tensor([False, False])
    weights(weighting, torch.ones(2))
    weighting.move(torch.tensor([0.5, 0.9]), None)
    before = weighting.logits.clone()
    assert weights(weighting, torch.zeros(2), none).tolist() == [0.0, 0.0]
    weighting.move(torch.zeros(2), none)
    assert torch.equal(weighting.logits, before)


def test_the_second_look_leaves_no_gradient() -> None:
    model: nn.Module = mmoe()
    weighting, forward = FAMO(2), forward_of(model)
    losses = forward(TRAIN.part(0, 50)).tasks
    weighting.backward(losses, list(model.parameters()))
    found = [parameter.grad for parameter in model.parameters()]
    before = [None if gradient is None else gradient.clone() for gradient in found]
    weighting.after_step(forward, TRAIN.part(0, 50))
    for old, parameter in zip(before, model.parameters(), strict=True):
        assert (old is None) == (parameter.grad is None)
        assert old is None or torch.equal(old, parameter.grad)
