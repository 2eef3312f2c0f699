from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn

from emm.nn.inputs import Inputs
from emm.nn.numeric import NumericEmbedding
from emm.training.optimisers import LR_SCHEDULES, OPTIMISERS, Optimisation, Stepper
from emm.trees.forest import TreeEnsemble

STEPS = 20


def line(seed: int = 0) -> nn.Linear:
    torch.manual_seed(seed)
    return nn.Linear(3, 1)


def how(**changes: Any) -> Optimisation:
    return Optimisation(**{"learning_rate": 0.05, "weight_decay": 0.3, **changes})


def pull(model: nn.Module, step: int) -> None:
    """Gradients of a smooth loss that differs from step to step."""
    x = torch.sin(torch.arange(12.0) + step).view(4, 3)
    (model(x) - step).square().mean().backward()


def train(model: nn.Module, stepper: Stepper, steps: int = STEPS) -> list[torch.Tensor]:
    """All weights as one vector, before and after each step."""
    path = [flat(model)]
    for step in range(steps):
        stepper.zero_grad()
        pull(model, step)
        stepper.step()
        path.append(flat(model))
    return path


def flat(model: nn.Module) -> torch.Tensor:
    return torch.cat([weight.detach().flatten() for weight in model.parameters()])


def by_torch(name: str) -> list[torch.Tensor]:
    model, kinds = line(), {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    optimiser = kinds[name](model.parameters(), lr=0.05, weight_decay=0.3)
    path = [flat(model)]
    for step in range(STEPS):
        optimiser.zero_grad()
        pull(model, step)
        optimiser.step()
        path.append(flat(model))
    return path


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_the_steps_equal_those_of_torch(name: str) -> None:
    model = line()
    found = train(model, Stepper(model, [], how(optimiser=name), STEPS))
    torch.testing.assert_close(torch.stack(found), torch.stack(by_torch(name)))


def test_adamw_and_adam_decay_weights_differently() -> None:
    assert not torch.allclose(by_torch("adam")[-1], by_torch("adamw")[-1], atol=1e-3)


def test_frozen_weights_are_not_updated() -> None:
    model = line()
    model.bias.requires_grad_(requires_grad=False)
    before = model.bias.clone()
    train(model, Stepper(model, [], how(), STEPS))
    assert torch.equal(model.bias, before)


@pytest.mark.parametrize("name", list(OPTIMISERS))
def test_others_learn_without_weight_decay(name: str) -> None:
    other, single = (nn.Parameter(torch.ones(2)) for _ in range(2))
    stepper = Stepper(line(), [other], how(optimiser=name), STEPS)
    optimiser = torch.optim.Adam([single], lr=0.05)
    for _ in range(5):
        other.grad, single.grad = torch.tensor([1.0, 0.0]), torch.tensor([1.0, 0.0])
        stepper.step()
        optimiser.step()
    torch.testing.assert_close(other, single)
    assert other[1] == 1


def sizes(lr_schedule: str) -> list[float]:
    """Adam's step sizes for a constant gradient, which are the learning rates."""
    weight = nn.Linear(1, 1, bias=False)
    stepper = Stepper(weight, [], how(weight_decay=0.0, lr_schedule=lr_schedule), STEPS)
    places = [float(weight.weight.detach())]
    for _ in range(STEPS):
        weight.weight.grad = torch.ones(1, 1)
        stepper.step()
        places.append(float(weight.weight.detach()))
    return [old - new for old, new in pairwise(places)]


def test_one_cycle_rises_to_the_learning_rate_and_falls_to_nearly_zero() -> None:
    found = sizes("one-cycle")
    top = found.index(max(found))
    assert 0 < top < STEPS / 2
    assert found[0] < 0.01
    assert found[-1] < 0.05 / 1000
    assert found[top] == pytest.approx(0.05, rel=0.2)
    assert all(old < new for old, new in pairwise(found[: top + 1]))
    assert all(old > new for old, new in pairwise(found[top:]))


def test_the_constant_schedule_keeps_the_learning_rate() -> None:
    assert sizes("constant") == pytest.approx([0.05] * STEPS, rel=1e-3)


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("lr_schedule", LR_SCHEDULES)
def test_a_schedule_has_the_length_of_its_steps(lr_schedule: str, steps: int) -> None:
    model = line()
    found = train(model, Stepper(model, [], how(lr_schedule=lr_schedule), steps), steps)
    assert all(not torch.equal(old, new) for old, new in pairwise(found))


def test_without_an_average_the_model_itself_is_kept() -> None:
    model = line()
    assert Stepper(model, [], how(), STEPS).kept is model


def test_the_average_starts_after_the_first_step_and_follows_by_the_decay() -> None:
    model = line()
    stepper = Stepper(model, [], how(ema_decay=0.7), STEPS)
    _, first, *others = train(model, stepper)
    expected = first
    for weights in others:
        expected = 0.7 * expected + 0.3 * weights
    torch.testing.assert_close(flat(stepper.kept), expected)
    assert torch.equal(flat(model), others[-1])


def test_the_average_includes_batch_norm_statistics() -> None:
    model = nn.Sequential(line(), nn.BatchNorm1d(1))
    stepper = Stepper(model, [], how(ema_decay=0.7), STEPS)
    expected: list[torch.Tensor] = []
    for step in range(4):
        stepper.zero_grad()
        pull(model, step)
        stepper.step()
        now = model[1].running_mean.clone()
        expected = [now if not expected else 0.7 * expected[0] + 0.3 * now]
    assert isinstance(stepper.kept, nn.Sequential)
    torch.testing.assert_close(stepper.kept[1].running_mean, expected[0])


class Mixed(nn.Module):
    """Trainable weights, and buffers without a mean: bounds of bins and nodes of trees."""

    def __init__(self) -> None:
        super().__init__()
        self.line = line()
        self.bins = NumericEmbedding([[0.0, 1.0], [0.5]], 2, piecewise=False)
        self.trees = TreeEnsemble(Inputs(2, (3,)), trees=1, nodes=3, bitsets=2, depth=1)
        self.trees.threshold.copy_(torch.tensor([torch.inf, -torch.inf, 0.1]))
        self.trees.left.copy_(torch.tensor([16_777_217, 33_333_333, 7]))
        self.trees.bitsets.random_(-(2**31), 2**31 - 1)
        self.trees.value.copy_(torch.tensor([0.1, 1 / 3, 7e-9], dtype=torch.float64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.line(x) + self.bins(x[:, :2]).sum(1, keepdim=True)


def test_the_average_does_not_change_trees_and_bounds_of_bins() -> None:
    model = Mixed()
    stepper = Stepper(model, [], how(ema_decay=0.99), STEPS)
    train(model, stepper)
    kept = dict(stepper.kept.named_buffers())
    for name, buffer in Mixed().named_buffers():
        if "bitsets" not in name:
            assert torch.equal(kept[name], buffer), name
    assert torch.equal(kept["trees.bitsets"], model.trees.bitsets)
