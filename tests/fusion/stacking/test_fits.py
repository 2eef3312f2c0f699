"""Fits of combinations: against scikit-learn, and by the gradient of a plain restatement."""

from copy import deepcopy

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from emm.data.tables.schema import BINARY, CLASSES, REGRESSION
from emm.fusion.stacking.combination import AdditiveFeatures, Combination
from emm.fusion.stacking.design import design, put, taken
from emm.fusion.stacking.fits import fit_average, fit_gate, fit_weights, predictions
from emm.fusion.stacking.rows import TaskRows
from tests.fusion.stacking.generated import INPUTS, any_rows, features, noise, rows

KINDS = (BINARY, REGRESSION, CLASSES)


def slopes(model: Combination, own: TaskRows, target: Tensor, strength: float) -> list[Tensor]:
    """The gradient of the mean loss and the ridge, in every weight."""
    model = deepcopy(model).double()
    found = model(own.logits.double(), own.dense.double(), own.sparse)
    learned = [] if model.features is None else list(model.features.parameters())
    distance = (model.weight - target).square().sum() + sum(x.square().sum() for x in learned)
    (own.loss(found) + strength / 2 * distance).backward()
    return [weight.grad for weight in model.parameters()]


def test_the_average_is_calibrated_as_by_logistic_regression() -> None:
    truth = 2 * noise(2000)
    own = rows(torch.stack([truth * 0.4 + 1, truth * 0.6 + 1], 1), truth)
    model = fit_average(own, INPUTS)
    mean = own.logits.double().mean(1).numpy()
    oracle = LogisticRegression(C=1e12, tol=1e-12, solver="newton-cholesky")
    oracle.fit(mean, own.labels.numpy())
    expected = torch.full((2,), float(oracle.coef_[0, 0]) / 2)
    torch.testing.assert_close(model.weight.detach(), expected, rtol=1e-4, atol=1e-4)
    assert model.bias.detach().item() == pytest.approx(float(oracle.intercept_[0]), abs=1e-3)


def test_an_average_in_the_wrong_order_stays_as_it_is() -> None:
    truth = 2 * noise(500)
    model = fit_average(rows(-truth.unsqueeze(1), truth), INPUTS)
    assert model.weight.tolist() == [1.0]
    assert model.bias.tolist() == [0.0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("strength", [0.0, 0.1])
def test_weights_are_at_the_minimum(kind: str, strength: float) -> None:
    own = any_rows(kind)
    start = fit_average(own, INPUTS)
    model = fit_weights(own, start, strength)
    for slope in slopes(model, own, start.weight.detach().double(), strength):
        assert slope.abs().max() < 1e-4
    assert own.loss(predictions(model, own)) < own.loss(predictions(start, own))


@pytest.mark.parametrize("kind", KINDS)
def test_a_gate_is_at_the_minimum(kind: str) -> None:
    own = any_rows(kind)
    start = fit_average(own, INPUTS)
    model = fit_gate(own, INPUTS, start, 0.01)
    for slope in slopes(model, own, start.weight.detach().double(), 0.01):
        assert slope.abs().max() < 1e-4


def test_a_gate_does_not_depend_on_where_the_search_begins() -> None:
    own = any_rows(BINARY)
    start = fit_average(own, INPUTS)
    cold = fit_gate(own, INPUTS, start, 0.01)
    warm = fit_gate(own, INPUTS, start, 0.01, fit_gate(own, INPUTS, start, 0.1))
    torch.testing.assert_close(predictions(warm, own), predictions(cold, own), rtol=0, atol=1e-3)


def test_a_strong_ridge_keeps_the_average() -> None:
    own = any_rows(BINARY)
    start = fit_average(own, INPUTS)
    model = fit_weights(own, start, 1e6)
    torch.testing.assert_close(model.weight, start.weight, rtol=0, atol=1e-4)


def test_the_design_has_the_features_of_the_layer() -> None:
    model = Combination(INPUTS, 2, 1, features=True)
    assert isinstance(model.features, AdditiveFeatures)
    for weight in model.features.parameters():
        torch.nn.init.normal_(weight)
    dense, sparse = features(50)
    dense[:3] = torch.tensor([[0.25, 0.5], [-1.0, 2.0], [0.75, 0.0]])  # on edges, and beyond them
    expected = model.features(dense, sparse).detach().double().numpy()
    found = design(INPUTS, dense, sparse) @ taken(model)
    assert abs(found - expected).max() < 1e-5


def test_weights_that_are_put_are_those_that_are_taken() -> None:
    model, other = (Combination(INPUTS, 2, 1, features=True) for _ in range(2))
    for weight in model.parameters():
        torch.nn.init.normal_(weight)
    put(other, taken(model))
    assert model.features is not None
    assert other.features is not None
    for name, weight in model.features.state_dict().items():
        torch.testing.assert_close(other.features.state_dict()[name], weight)
