from math import isnan, nan

import pytest
import torch
from torch.nn.functional import softplus

from emm.config.project import FROM_DATA, split_section
from emm.core.errors import ParamsError
from emm.models.escm2 import ESCM2, doubly_robust_risk, inverse_propensity_risk
from emm.models.esmm import ESMM
from emm.training.settings import OptimiserSettings

BOTH = {"embedding_dim": 2, "tower": [6, 4], "dropout": 0.0, "funnel": (1, 0)}
RISK = {"risk_weight": 0.7, "global_weight": 0.4, "least_propensity": 0.2}
LABELS = torch.tensor([[0, 0], [0, 1], [1, 1], [0, 0], [1, 1], [0, 1]]).byte()


def build(small, variant, **changes):
    """A model in float64 and eval mode, with inputs of six rows."""
    dense, sparse = small.batch(len(LABELS))
    rows = dense.double(), sparse
    model = ESCM2(small.inputs, 2, variant=variant, **{**BOTH, **RISK, **changes})
    return small.settle(model.double(), *rows), rows


def by_hand(model, rows, variant, weights=None, risk_weight=0.7, global_weight=0.4, least=0.2):
    """(L_CTR + risk R + global L_CTCVR) / 2 minus the mean of both losses, row by row."""
    x = model.front(*rows)
    towers = model.towers(x)
    imputed = softplus(model.imputation(x)[:, 0]) if variant == "dr" else None
    total, size = 0.0, 0.0
    for row, (z, y) in enumerate(LABELS.tolist()):
        conversion, click = towers[row].sigmoid()
        error = -(conversion.log() if z else (1 - conversion).log())
        p = max(click.item(), least)
        if variant == "ips":
            risk = error / p if y else 0.0
        else:
            gap = error - imputed[row]
            risk = imputed[row] + (gap / p + gap**2 / p if y else 0.0)
        both = conversion * click
        loss = -(both.log() if z else (1 - both).log())
        weight = 1.0 if weights is None else weights[row].item()
        total = total + weight * (risk_weight * risk + (global_weight - 1) * loss)
        size += weight
    return total / size / 2


@pytest.mark.parametrize("weights", [None, torch.tensor([1.0, 2.0, 0.5, 1.0, 3.0, 1.0])])
@pytest.mark.parametrize("variant", ["ips", "dr"])
def test_the_risk_and_its_gradients_are_those_of_the_paper(variant, weights, small):
    model, rows = build(small, variant)
    wide = None if weights is None else weights.double()
    logits, extra = model.logits_and_penalty(rows, LABELS, wide)
    expected = by_hand(model, rows, variant, wide)
    torch.testing.assert_close(extra, expected)
    torch.testing.assert_close(logits, model(*rows))
    parameters = list(model.parameters())
    for found, wanted in zip(
        torch.autograd.grad(extra, parameters, retain_graph=True),
        torch.autograd.grad(expected, parameters),
        strict=True,
    ):
        torch.testing.assert_close(found, wanted)


def test_the_gradient_of_the_inverse_propensity_risk_has_its_closed_form():
    """For the conversion's logit c: o (sigmoid(c) - z) / p, which is 0 for unclicked rows."""
    logit = torch.tensor([0.3, -1.2, 2.0], requires_grad=True)
    z, clicked, p = (
        torch.tensor([1.0, 0.0, 0.0]),
        torch.tensor([1.0, 1, 0]),
        torch.tensor([0.5] * 3),
    )
    error = -(z * logit.sigmoid().log() + (1 - z) * (1 - logit.sigmoid()).log())
    inverse_propensity_risk(error, clicked, p).sum().backward()
    expected = clicked * (logit.detach().sigmoid() - z) / p
    torch.testing.assert_close(logit.grad, expected)


def test_the_gradients_of_the_doubly_robust_risk_have_their_closed_form():
    """With respect to e: o (1 + 2 (e - ê)) / p; to ê: 1 - o (1 + 2 (e - ê)) / p."""
    error = torch.tensor([0.3, 1.2, 2.0], requires_grad=True)
    imputed = torch.tensor([0.5, 0.1, 0.9], requires_grad=True)
    clicked, p = torch.tensor([1.0, 1.0, 0.0]), torch.tensor([0.5, 0.1, 0.2])
    doubly_robust_risk(error, imputed, clicked, p).sum().backward()
    slope = (clicked * (1 + 2 * (error - imputed)) / p).detach()
    torch.testing.assert_close(error.grad, slope)
    torch.testing.assert_close(imputed.grad, 1 - slope)


@pytest.mark.parametrize("variant", ["ips", "dr"])
def test_the_propensity_has_no_gradient(variant, small):
    """The risk has no gradient in the click's tower; it does have one in the shared embeddings."""
    model, rows = build(small, variant, global_weight=1.0)
    _, extra = model.logits_and_penalty(rows, LABELS, None)
    extra.backward()
    grown = [layer.weight.grad for layer in model.towers.layers if hasattr(layer, "weight")]
    click = [gradient[1] for gradient in grown if gradient is not None and gradient.dim() == 3]
    assert click
    assert not any(gradient.any() for gradient in click)


def test_both_risks_are_unbiased_if_the_propensities_are_right():
    """The expectation over the clicks, summed over all outcomes."""
    error, imputed = torch.tensor([0.2, 1.5, 0.7]).double(), torch.tensor([0.4, 0.1, 0.3]).double()
    p = torch.tensor([0.3, 0.6, 0.9]).double()
    training = (error - imputed).square()  # expectation of the term that trains the imputation
    for risk, expected in (
        (inverse_propensity_risk, error),
        (lambda e, o, q: doubly_robust_risk(e, imputed, o, q), error + training),
    ):
        mean = p * risk(error, torch.ones(3), p) + (1 - p) * risk(error, torch.zeros(3), p)
        torch.testing.assert_close(mean, expected)


def test_the_propensity_is_clipped_from_below(small):
    model, rows = build(small, "ips", global_weight=1.0, risk_weight=2.0, least_propensity=1.0)
    _, extra = model.logits_and_penalty(rows, LABELS, None)
    expected = by_hand(model, rows, "ips", risk_weight=2.0, global_weight=1.0, least=1.0)
    torch.testing.assert_close(extra, expected)


def test_without_the_risk_the_model_is_esmm(small):
    model, rows = build(small, "ips", risk_weight=0.0, global_weight=1.0)
    twin = ESMM(small.inputs, 2, **BOTH).double().eval()
    twin.load_state_dict(model.state_dict())
    logits, extra = model.logits_and_penalty(rows, LABELS, None)
    assert extra.item() == 0
    assert torch.equal(logits, twin(*rows))


@pytest.mark.parametrize("variant", ["ips", "dr"])
def test_gradients_are_finite_for_extreme_logits(variant, small):
    model, rows = build(small, variant)
    with torch.no_grad():
        model.towers.layers[-1].bias.copy_(torch.tensor([[50.0], [-50.0]]))
    model.logits_and_penalty(rows, LABELS, None)[1].backward()
    assert all(w.grad.isfinite().all() for w in model.parameters() if w.grad is not None)


PARTLY = torch.tensor([[nan, 0.0], [0.0, 1], [nan, 1], [0, nan], [1, 1], [nan, nan]])


@pytest.mark.parametrize("weights", [None, torch.tensor([1.0, 2.0, 0.5, 1.0, 3.0, 1.0])])
@pytest.mark.parametrize("variant", ["ips", "dr"])
def test_missing_labels_are_left_out_of_their_terms(variant, weights, small):
    """The risk is over rows 0, 1 and 4, whose conversion is then known, and so is their click; the
    loss of pCTCVR is over row 3 as well."""
    model, rows = build(small, variant)
    wide = None if weights is None else weights.double()
    labels = model.complete_labels(PARTLY)
    _, extra = model.logits_and_penalty(rows, labels, wide, partly_labelled=True)
    risks, losses = [], []
    for z, y, risk, loss, weight in _terms(model, rows, variant, labels, wide):
        if not isnan(z):
            losses.append((loss, weight))
            if not isnan(y):
                risks.append((risk, weight))
    assert (len(risks), len(losses)) == (3, 4)
    expected = 0.7 * _average(risks) + (0.4 - 1) * _average(losses)
    torch.testing.assert_close(extra, expected / 2)


def _terms(model, rows, variant, labels, weights):
    """For each row its labels, risk, loss of pCTCVR and weight."""
    x = model.front(*rows)
    towers = model.towers(x)
    for row, (z, y) in enumerate(labels.tolist()):
        conversion, click = towers[row].sigmoid()
        error = -(conversion.log() if z == 1 else (1 - conversion).log())
        p, both = max(click.item(), 0.2), conversion * click
        clicked = float(y == 1)
        risk = clicked * error / p
        if variant == "dr":
            imputed = softplus(model.imputation(x)[row, 0])
            gap = error - imputed
            risk = imputed + clicked * (gap / p + gap**2 / p)
        weight = 1.0 if weights is None else weights[row].item()
        yield z, y, risk, -(both.log() if z == 1 else (1 - both).log()), weight


def _average(terms):
    return sum(value * weight for value, weight in terms) / sum(weight for _, weight in terms)


@pytest.mark.parametrize("variant", ["ips", "dr"])
def test_where_nothing_is_missing_the_penalty_is_the_usual_one(variant, small):
    model, rows = build(small, variant)
    _, usual = model.logits_and_penalty(rows, LABELS, None)
    _, found = model.logits_and_penalty(rows, LABELS.float(), None, partly_labelled=True)
    torch.testing.assert_close(found, usual)


@pytest.mark.parametrize("missing", [0, 1])
def test_a_task_of_the_funnel_without_labels_leaves_finite_gradients(missing, small):
    model, rows = build(small, "dr")
    labels = LABELS.float()
    labels[:, missing] = nan
    model.logits_and_penalty(rows, labels, None, partly_labelled=True)[1].backward()
    assert all(w.grad.isfinite().all() for w in model.parameters() if w.grad is not None)


def test_a_positive_weight_multiplies_the_loss_of_conversions(small):
    """With ``risk_weight`` 0 the penalty is (global - 1) L_CTCVR / 2."""
    model, rows = build(small, "ips", risk_weight=0.0)
    logits, extra = model.logits_and_penalty(rows, LABELS, None, positive_weights=(3.0, 1.0))
    loss = torch.nn.BCEWithLogitsLoss(pos_weight=torch.tensor(3.0))
    expected = (0.4 - 1) * loss(logits[:, 0], LABELS[:, 0].double()) / 2
    torch.testing.assert_close(extra, expected)


def test_an_unknown_variant_is_refused():
    section = {**BOTH, **RISK, "variant": "snips", "learning_rate": 0.1, "weight_decay": 0}
    del section["funnel"]
    with pytest.raises(ParamsError, match="got 'snips', expected ips or dr"):
        split_section(section, ESCM2, "escm2", OptimiserSettings, FROM_DATA)
