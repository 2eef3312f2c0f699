"""Rules in batches in which a task has no labelled row: its loss is 0, without a gradient."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from emm.training.weighting import WEIGHTINGS, Weighting, make_weighting
from tests.training.weighting.toy import LOSSES, gradients, toy

ARGUMENTS: dict[str, dict[str, Any]] = {rule: {} for rule in WEIGHTINGS}
ARGUMENTS["fixed"] = {"weights": [3, 1]}
DRAWN = torch.randn(2, generator=torch.Generator().manual_seed(0)).softmax(dim=0)
WEIGHT_OF_THE_FIRST = {"fixed": 1.5, "random": 2 * DRAWN[0].item()}
ALL, FIRST = torch.tensor([True, True]), torch.tensor([True, False])


def rule_named(rule: str) -> Weighting:
    return make_weighting(2, rule, **ARGUMENTS[rule])


def step(weighting: Weighting, present: Tensor | None, scale: float = 1.0) -> list[float]:
    """The gradients of x and y; absent tasks have the loss 0, and the others ``scale`` times it."""
    parameters, losses = toy()
    losses = scale * losses * (1 if present is None else present)
    weighting.backward(losses, parameters, None, present)
    return gradients(parameters)


@pytest.mark.parametrize("rule", WEIGHTINGS)
def test_with_all_tasks_present_nothing_changes(rule: str) -> None:
    named, plain = rule_named(rule), rule_named(rule)
    for scale in (1.0, 0.5, 0.25):
        assert step(named, ALL, scale) == pytest.approx(step(plain, None, scale))
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(named.state_dict()[name], value)


@pytest.mark.parametrize("rule", WEIGHTINGS)
def test_an_absent_task_adds_no_gradient(rule: str) -> None:
    share = WEIGHT_OF_THE_FIRST.get(rule, 1.0)
    assert step(rule_named(rule), FIRST) == pytest.approx([share * 3 / 2, share * 2 / 2])


@pytest.mark.parametrize("rule", WEIGHTINGS)
def test_no_task_at_all_changes_nothing(rule: str) -> None:
    weighting = rule_named(rule)
    step(weighting, ALL)
    before = {name: torch.as_tensor(value).clone() for name, value in _kept(weighting).items()}
    assert step(weighting, torch.tensor([False, False])) == [0.0, 0.0]
    for name, value in _kept(weighting).items():
        assert torch.equal(value, before[name])


def _kept(weighting: Weighting) -> dict[str, Tensor]:
    state = weighting.state_dict()
    return {name: value for name, value in state.items() if not name.endswith("extra_state")}


def test_the_variance_of_an_absent_task_has_no_gradient() -> None:
    weighting = make_weighting(2, "uncertainty")
    step(weighting, FIRST)
    found = weighting.get_parameter("log_variances").grad
    assert found is not None
    assert found.tolist() == pytest.approx([(0.5 - LOSSES[0]) / 2, 0.0])


def test_gradnorm_starts_each_task_at_its_first_labels() -> None:
    weighting = make_weighting(2, "gradnorm")
    step(weighting, FIRST)
    step(weighting, ALL, 0.5)
    assert weighting.get_buffer("initial").tolist() == [LOSSES[0], LOSSES[1] / 2]


def test_gradnorm_keeps_the_weight_of_an_absent_task_and_the_sum() -> None:
    weighting = make_weighting(3, "gradnorm", alpha=1.0, learning_rate=0.1)
    parameter = nn.Parameter(torch.tensor([[1.0, 1.0]]))
    weights = weighting.get_buffer("weights")
    for present in ([True, True, True], [True, False, True], [False, False, True]):
        before = weights.clone()
        mask = torch.tensor(present)
        slopes = torch.tensor([1.0, 2.0, 5.0])
        losses = slopes * parameter.sum() * mask
        weighting.backward(losses, [parameter], None, mask)
        assert torch.equal(weights[~mask], before[~mask])
        assert weights.sum().item() == pytest.approx(3)
        if sum(present) > 1:
            assert not torch.equal(weights[mask], before[mask])
    assert torch.equal(weights, before)


def test_gradnorm_moves_the_present_tasks_as_if_there_were_no_others() -> None:
    """Two of three tasks, once next to an absent one and once as the only ones."""
    arguments = {"alpha": 1.5, "learning_rate": 0.1}
    three, two = (make_weighting(tasks, "gradnorm", **arguments) for tasks in (3, 2))
    three._shared = two._shared = 0
    mask = torch.tensor([True, False, True])
    slopes = torch.tensor([1.0, 2.0, 5.0])
    for number in range(3):
        parameter = nn.Parameter(torch.tensor([[1.0, 1.0]]))
        factors = slopes * torch.tensor([1.0, 1.0, 0.8**number])
        three.backward(factors * parameter.sum() * mask, [parameter], None, mask)
        two.backward(factors[mask] * parameter.sum(), [parameter])
    found = three.get_buffer("weights")
    torch.testing.assert_close(found[mask], two.get_buffer("weights"))
    assert found[1] == 1


def test_gradnorm_searches_for_its_weight_in_batches_with_labels_of_all_tasks() -> None:
    weighting = make_weighting(2, "gradnorm")
    for _ in range(30):  # more than the steps within which a weight must be found
        step(weighting, FIRST)
    assert weighting.get_extra_state().tolist() == [-1, 0]
    step(weighting, ALL)
    assert weighting.get_extra_state().tolist() == [0, 1]


def test_pcgrad_projects_no_gradient_on_that_of_an_absent_task() -> None:
    """Two conflicting tasks next to an absent one: the gradients of the two, over three tasks."""
    found = []
    for tasks in (2, 3):
        parameter = nn.Parameter(torch.tensor([[1.0, 1.0]]))
        losses = torch.stack([parameter[0, 0] - parameter[0, 1], -2 * parameter[0, 0]])
        losses = torch.cat([losses, 0 * parameter.sum().reshape(1)])[:tasks]
        make_weighting(tasks, "pcgrad").backward(losses, [parameter], None, losses.detach() != 0)
        assert parameter.grad is not None
        found.append(tasks * parameter.grad)
    torch.testing.assert_close(found[0], found[1])
