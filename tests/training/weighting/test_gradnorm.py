import pytest
import torch
from torch import Tensor, nn

from emm.core.errors import ParamsError
from emm.nn.gates import Gates, mix
from emm.nn.mlp import Towers, grouped_mlp, mlp
from emm.training.weighting.gradnorm import SEARCH_STEPS, GradNorm, shared_weight
from tests.training.weighting.toy import gradients, toy


class Bottom(nn.Module):
    """A shared bottom, with the towers of all tasks in one tensor per layer."""

    def __init__(self) -> None:
        super().__init__()
        self.bottom, self.towers = mlp(3, [4, 5], 0.0), Towers(3, 5, [2], 0.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.towers(self.bottom(x))


class Experts(nn.Module):
    """Shared experts, with the gates of all tasks in one tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.experts, self.gates = grouped_mlp(4, 3, [5], 0.0), Gates(3, 3, 4)
        self.towers = Towers(3, 5, [], 0.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.towers(mix(self.gates(x), self.experts(x)))


def losses_of(model: nn.Module) -> Tensor:
    torch.manual_seed(1)
    return model(torch.randn(16, 3)).square().mean(dim=0)


def with_losses(x: nn.Parameter, *values: float) -> Tensor:
    """Losses of given values, each with the gradient 1 with respect to x."""
    return (x - x.detach()).flatten() + torch.tensor(values)


def test_the_first_step_computed_by_hand() -> None:
    # W is x: y doesn't reach the second loss. G = (3, 4) around their mean 3.5, r = (1, 1).
    parameters, losses = toy()
    weighting = GradNorm(2, learning_rate=0.1)
    weighting.backward(losses, parameters)
    assert weighting.weights.tolist() == pytest.approx([2 * 1.3 / 1.9, 2 * 0.6 / 1.9])


def test_the_second_step_uses_the_updated_weights() -> None:
    weighting = GradNorm(2, learning_rate=0.1)
    parameters, losses = toy()
    weighting.backward(losses, parameters)
    parameters, losses = toy()
    weighting.backward(losses, parameters)
    first, second = 1.3 / 1.9, 0.6 / 1.9
    assert gradients(parameters) == pytest.approx([3 * first + 4 * second, 2 * first])


def test_weight_moves_to_the_task_that_learns_slower() -> None:
    x, weighting = nn.Parameter(torch.zeros(1, 1)), GradNorm(2)
    weighting.backward(with_losses(x, 4.0, 8.0), [x])
    assert weighting.weights.tolist() == [1.0, 1.0]
    weighting.backward(with_losses(x, 1.0, 8.0), [x])  # L / L(0) = 1/4 and 1; both G are 1
    assert weighting.weights.tolist() == pytest.approx([0.975, 1.025])


def test_it_equals_the_papers_loss_differentiated_by_autograd() -> None:
    torch.manual_seed(0)
    model, rows = Bottom(), torch.randn(5, 16, 3)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.5)
    weighting = GradNorm(3, alpha=0.7, learning_rate=0.05)
    weights, initial = torch.ones(3), None
    for batch in rows:
        losses = model(batch).square().mean(dim=0) * torch.tensor([1.0, 2.0, 5.0])
        initial = losses.detach() if initial is None else initial
        w = weights.clone().requires_grad_()
        g = torch.stack(
            [
                torch.autograd.grad(a * b, model.bottom[4].weight, create_graph=True)[0].norm()
                for a, b in zip(w, losses, strict=True)
            ]
        )
        ratio = losses / initial
        target = (g.mean() * (ratio / ratio.mean()) ** 0.7).detach()
        (slope,) = torch.autograd.grad((g - target).abs().sum(), w, retain_graph=True)
        weights = weights - 0.05 * slope
        weights = 3 * weights / weights.sum()
        optimiser.zero_grad()
        weighting.backward(losses, list(model.parameters()))
        optimiser.step()
        torch.testing.assert_close(weighting.weights, weights)


def test_weights_stay_positive_and_sum_to_the_tasks() -> None:
    x, weighting = nn.Parameter(torch.ones(1, 1)), GradNorm(3)
    scales = torch.tensor([1e4, 1.0, 1e-4])
    for _ in range(3):
        weighting.backward(scales * x.square().flatten(), [x])
        assert weighting.weights.min() > 0
        assert weighting.weights.sum().item() == pytest.approx(3)


@pytest.mark.parametrize(
    ("model", "expected"), [(Bottom, "bottom.4.weight"), (Experts, "experts.0.weight")]
)
def test_the_shared_weight_lies_below_the_towers_and_gates(
    model: type[nn.Module], expected: str
) -> None:
    torch.manual_seed(0)
    made = model()
    names, parameters = zip(*made.named_parameters(), strict=True)
    assert names[shared_weight(losses_of(made), parameters)] == expected


def test_a_weight_hidden_by_zeros_is_found_later() -> None:
    torch.manual_seed(0)
    shared, tops = nn.Linear(3, 4), nn.Linear(4, 2)
    nn.init.zeros_(tops.weight)
    model, weighting = nn.Sequential(shared, tops), GradNorm(2)
    parameters = list(model.parameters())
    weighting.backward(losses_of(model), parameters)
    assert weighting.weights.tolist() == [1.0, 1.0]
    nn.init.normal_(tops.weight)
    weighting.backward(losses_of(model), parameters)
    assert weighting.weights.tolist() != [1.0, 1.0]


def test_a_model_that_shares_nothing_is_an_error() -> None:
    torch.manual_seed(0)
    model, weighting = nn.Linear(3, 2), GradNorm(2)
    parameters = list(model.parameters())
    for _ in range(SEARCH_STEPS - 1):
        weighting.backward(losses_of(model), parameters)
    with pytest.raises(ParamsError, match="learns from every task"):
        weighting.backward(losses_of(model), parameters)


def test_the_shared_weight_is_stored_in_the_state_dict(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = GradNorm(2), GradNorm(2)
    parameters, losses = toy()
    first.backward(losses, parameters)
    second.load_state_dict(first.state_dict())
    monkeypatch.setattr("emm.training.weighting.gradnorm.shared_weight", lambda *_: None)
    for weighting in (first, second):
        parameters, losses = toy()
        weighting.backward(losses, parameters)
    assert second.weights.tolist() == first.weights.tolist()


def test_the_search_for_it_continues_from_the_state_dict() -> None:
    model, weighting = nn.Linear(3, 2), GradNorm(2)
    weighting.set_extra_state(torch.tensor([-1, SEARCH_STEPS - 1]))
    with pytest.raises(ParamsError, match="learns from every task"):
        weighting.backward(losses_of(model), list(model.parameters()))
