from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from emm.core.errors import ParamsError
from emm.training.weighting import WEIGHTINGS, Weighting, make_weighting
from emm.training.weighting.shared import SharedGradients
from tests.training.weighting.toy import gradients, toy

ARGUMENTS: dict[str, dict[str, Any]] = {rule: {} for rule in WEIGHTINGS}
ARGUMENTS["fixed"] = {"weights": [3, 1]}
WITHOUT_SOLVERS = [r for r, kind in WEIGHTINGS.items() if not issubclass(kind, SharedGradients)]
FIRST_STEP_OF_THE_MEAN = ["equal", "uncertainty", "imtl-l", "dwa", "gradnorm", "pcgrad"]


def rule_named(rule: str) -> Weighting:
    return make_weighting(2, rule, **ARGUMENTS[rule])


class NoReading(TorchDispatchMode):
    """Reading the value of a tensor is an error; on a GPU it would wait for the device."""

    def __torch_dispatch__(self, function, _types, args=(), kwargs=None):
        assert function is not torch.ops.aten._local_scalar_dense.default, "a value was read"
        return function(*args, **(kwargs or {}))


def test_the_default_rule_is_equal() -> None:
    assert type(make_weighting(2)) is WEIGHTINGS["equal"]


def test_arguments_reach_the_rule() -> None:
    weighting = make_weighting(2, "gradnorm", alpha=0.5, learning_rate=1e-3)
    assert (weighting.alpha, weighting.learning_rate) == (0.5, 1e-3)


def test_the_error_for_an_unknown_rule_names_the_nearest() -> None:
    with pytest.raises(ParamsError, match="did you mean 'gradnorm'"):
        make_weighting(2, "gradnrom")


def test_all_invalid_arguments_are_reported() -> None:
    with pytest.raises(ParamsError, match="2 settings") as error:
        make_weighting(2, "dwa", temperature=0, temprature=2)
    assert "weighting.temperature: got 0, expected more than 0" in str(error.value)
    assert "weighting.temprature: unknown key; did you mean 'temperature'" in str(error.value)


def test_an_argument_called_tasks_is_unknown() -> None:
    with pytest.raises(ParamsError, match=r"weighting\.tasks: unknown key"):
        make_weighting(2, "equal", tasks=3)


def test_a_missing_argument_is_reported() -> None:
    with pytest.raises(ParamsError, match=r"weighting\.weights: missing"):
        make_weighting(2, "fixed")


@pytest.mark.parametrize("rule", WEIGHTINGS)
def test_a_penalty_is_added_unweighted(rule: str) -> None:
    found = []
    for factor in (0.0, 5.0):
        parameters, losses = toy()
        rule_named(rule).backward(losses, parameters, factor * parameters[1].sum())
        found.append(gradients(parameters))
    assert found[1] == pytest.approx([found[0][0], found[0][1] + 5.0])


@pytest.mark.parametrize("rule", WEIGHTINGS)
def test_gradients_are_added_to_existing_ones(rule: str) -> None:
    parameters, losses = toy()
    rule_named(rule).backward(losses, parameters)
    fresh = gradients(parameters)
    parameters, losses = toy()
    for parameter in parameters:
        parameter.grad = torch.tensor([[10.0]])
    rule_named(rule).backward(losses, parameters)
    assert gradients(parameters) == pytest.approx([value + 10.0 for value in fresh])


@pytest.mark.parametrize("rule", FIRST_STEP_OF_THE_MEAN)
def test_the_first_step_equals_that_of_the_mean(rule: str) -> None:
    parameters, losses = toy()
    rule_named(rule).backward(losses, parameters)
    assert gradients(parameters) == pytest.approx([3.5, 1.0])


@pytest.mark.parametrize("rule", WITHOUT_SOLVERS)
def test_a_step_does_not_wait_for_the_device(rule: str) -> None:
    weighting = rule_named(rule)
    parameters, losses = toy()
    weighting.backward(losses, parameters)  # gradnorm searches for its weight in the first step
    parameters, losses = toy()
    with NoReading():
        weighting.backward(losses, parameters, parameters[0].square().sum())


@pytest.mark.parametrize("rule", WEIGHTINGS)
def test_training_continues_from_the_state_dict(rule: str) -> None:
    def epoch(weighting: Weighting, scale: float) -> list[float]:
        parameters, losses = toy()
        weighting.backward(losses * torch.tensor([scale, 1.0]), parameters)
        weighting.end_epoch(losses.detach() * torch.tensor([scale, 1.0]))
        return gradients(parameters)

    whole, first, second = rule_named(rule), rule_named(rule), rule_named(rule)
    for scale in (1.0, 0.5):
        epoch(whole, scale)
        epoch(first, scale)
    second.load_state_dict(first.state_dict())
    assert [epoch(second, 0.3), epoch(second, 0.2)] == [epoch(whole, 0.3), epoch(whole, 0.2)]


@pytest.mark.parametrize("rule", [rule for rule in WEIGHTINGS if rule != "fixed"])
def test_with_one_task_the_gradient_is_that_of_its_loss(rule: str) -> None:
    parameters, losses = toy()
    weighting = make_weighting(1, rule)
    weighting.end_epoch(losses[:1].detach())
    weighting.end_epoch(losses[:1].detach())
    weighting.backward(losses[:1], parameters)
    assert gradients(parameters) == pytest.approx([3.0, 2.0])
