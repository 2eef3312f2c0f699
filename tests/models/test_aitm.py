from itertools import pairwise
from math import log

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from emm.core.errors import ParamsError
from emm.data.tables.rows import RowTensors
from emm.models.aitm import AITM, calibrator
from emm.training.forward import forward_of
from emm.training.weighting import make_weighting

ARGUMENTS = {"embedding_dim": 2, "bottom": [6, 4], "tower": [3], "dropout": 0.0}
# Number of tasks, the funnel's steps, and the order in which information then flows.
CHAINS = [
    (2, (), (0, 1)),
    (2, (1, 0), (1, 0)),
    (3, (), (0, 1, 2)),
    (3, (2, 0), (2, 0, 1)),
    (4, (3, 1), (3, 1, 0, 2)),
    (4, (2, 3, 1), (2, 3, 1, 0)),
]


def attended(attention, information, current, plain):
    """z = sum_u w_u V(u) over u in {information, current}, w = softmax(<Q(u), K(u)> / sqrt(H))."""
    query, key, value = attention.projections.weight.chunk(3)
    biases = attention.projections.bias
    query_bias, key_bias, value_bias = (0, 0, 0) if biases is None else biases.chunk(3)
    rows = []
    for tokens in zip(information, current, strict=True):
        scores = [
            torch.dot(query @ token + query_bias, key @ token + key_bias) / len(token) ** 0.5
            for token in tokens
        ]
        weights = plain.softmax(torch.stack(scores))
        rows.append(sum(w * (value @ u + value_bias) for w, u in zip(weights, tokens, strict=True)))
    return torch.stack(rows)


@pytest.mark.parametrize("biases", [True, False])
@pytest.mark.parametrize(("tasks", "funnel", "order"), CHAINS, ids=str)
def test_forward_is_the_equation_of_the_paper(tasks, funnel, order, biases, case, plain, small):
    model = AITM(small.inputs, tasks, **ARGUMENTS, funnel=funnel, biases=biases)
    model = case.prepare(model)
    x = plain.front(model.front, case.dense, case.sparse)
    z = plain.chain(model.bottoms, x, order[0])
    logits = {order[0]: plain.chain(model.towers.layers, z, order[0])}
    for step, task in enumerate(order[1:]):
        q = plain.chain(model.bottoms, x, task)
        z = attended(model.attention, plain.chain(model.transfers[step], z), q, plain)
        logits[task] = plain.chain(model.towers.layers, z, task)
    expected = torch.cat([logits[task] for task in range(tasks)], dim=1)
    torch.testing.assert_close(model(case.dense, case.sparse), expected)


@pytest.mark.parametrize(("tasks", "funnel", "order"), CHAINS, ids=str)
def test_a_task_depends_on_earlier_tasks_of_the_chain_only(tasks, funnel, order, small):
    rows = small.batch(50)
    model = small.settle(AITM(small.inputs, tasks, **ARGUMENTS, funnel=funnel), *rows)
    for place, task in enumerate(order):
        model.zero_grad()
        model(*rows)[:, task].sum().backward()
        read = model.bottoms[0].weight.grad.flatten(1).any(dim=1)
        assert set(read.nonzero().flatten().tolist()) == set(order[: place + 1])


def log_odds(*probabilities: float) -> list[float]:
    return [log(p / (1 - p)) for p in probabilities]


def test_the_calibrator_has_its_closed_form():
    rows = [log_odds(0.2, 0.5, 0.6), log_odds(0.9, 0.4, 0.5)]  # rises: .3 and .1; none and .1
    assert calibrator(torch.tensor(rows)).item() == pytest.approx(0.3 / 2 + (0.1 + 0.1) / 2)


def test_the_calibrator_is_zero_for_a_falling_funnel():
    logits = torch.tensor([log_odds(0.9, 0.5, 0.1), log_odds(0.3, 0.3, 0.2)], requires_grad=True)
    penalty = calibrator(logits)
    penalty.backward()
    assert penalty.item() == 0
    assert not logits.grad.any()


@pytest.mark.parametrize("tasks", [0, 1])
def test_the_calibrator_is_zero_for_fewer_than_two_tasks(tasks):
    logits = torch.randn(5, tasks, requires_grad=True)
    calibrator(logits).backward()
    assert calibrator(logits).item() == 0
    assert not logits.grad.any()


@pytest.mark.parametrize(("weight", "found"), [(None, 0.6), (0.0, 0.0), (1.5, 1.5)])
def test_the_penalty_is_the_weighted_calibrator_next_to_a_mean(weight, found, small):
    model = AITM(small.inputs, 2, **ARGUMENTS, calibrator_weight=weight, funnel=(0, 1))
    logits = torch.tensor([log_odds(0.25, 0.75)])
    assert model.penalty(logits).item() == pytest.approx(found * 0.5 / 2)


def test_the_penalty_compares_the_steps_of_the_funnel_only(small):
    """Tasks: a purchase, three classes, another task, a click."""
    model = AITM(small.inputs, 4, **ARGUMENTS, funnel=(3, 0), outputs=(1, 3, 1, 1))
    logits = torch.tensor([[*log_odds(0.7), 9.0, 9.0, 9.0, 9.0, *log_odds(0.2)]])
    logits.requires_grad_()
    penalty = model.penalty(logits)
    penalty.backward()
    assert penalty.item() == pytest.approx(0.6 * 0.5 / 4)
    assert logits.grad.ne(0).tolist() == [[True, False, False, False, False, True]]


@pytest.mark.parametrize("arguments", [{}, {"funnel": (0, 1), "given_click": True}], ids=str)
def test_there_is_no_penalty_where_no_step_must_be_rarer(arguments, small):
    model = AITM(small.inputs, 2, **ARGUMENTS, **arguments)
    logits = torch.tensor([log_odds(0.25, 0.75)], requires_grad=True)
    penalty = model.penalty(logits)
    penalty.backward()
    assert penalty.item() == 0
    assert not logits.grad.any()


@pytest.mark.parametrize("rule", ["equal", "fixed"])
@pytest.mark.parametrize(("tasks", "funnel"), [chain[:2] for chain in CHAINS], ids=str)
def test_t_times_the_gradient_is_that_of_the_published_loss(tasks, funnel, rule, small):
    """The sum of the tasks' losses and 0.6 times the calibrator; some labels are missing."""
    model = AITM(small.inputs, tasks, **ARGUMENTS, funnel=funnel).double()
    dense, sparse = small.batch(40)
    labels = torch.randint(0, 2, (40, tasks)).double()
    labels[::3, -1] = torch.nan
    rows = RowTensors(dense.double(), sparse, labels, partly_labelled=True)
    weights = [1.0] * tasks if rule == "equal" else [1.0 + task for task in range(tasks)]
    arguments = {"weights": weights} if rule == "fixed" else {}
    weighting = make_weighting(tasks, rule=rule, **arguments)

    losses = forward_of(model)(rows)
    weighting.backward(losses.tasks, list(model.parameters()), losses.penalty)
    found = [tasks * parameter.grad for parameter in model.parameters()]

    model.zero_grad()
    logits = model(rows.dense, sparse)
    published = 0.0
    for task, weight in enumerate(weights):
        known = ~labels[:, task].isnan()
        loss = binary_cross_entropy_with_logits(logits[known, task], labels[known, task])
        published = published + tasks * weight / sum(weights) * loss
    for before, after in pairwise(funnel):
        rise = logits[:, after].sigmoid() - logits[:, before].sigmoid()
        published = published + 0.6 * rise.clamp(min=0).mean()
    published.backward()
    for own, parameter in zip(found, model.parameters(), strict=True):
        torch.testing.assert_close(own, parameter.grad, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({}, "the tasks have no funnel"),
        ({"funnel": (0, 1), "given_click": True}, "conversions are known after a click only"),
    ],
)
def test_a_calibrator_that_does_not_apply_is_refused(arguments, why, small):
    with pytest.raises(ParamsError, match=f"AITM's calibrator doesn't apply, since {why}"):
        AITM(small.inputs, 2, **ARGUMENTS, calibrator_weight=0.3, **arguments)


@pytest.mark.parametrize("arguments", [{}, {"funnel": (0, 1), "given_click": True}], ids=str)
def test_the_weight_zero_is_always_accepted(arguments, small):
    model = AITM(small.inputs, 2, **ARGUMENTS, calibrator_weight=0.0, **arguments)
    assert model.penalty(torch.tensor([[-1.0, 1.0]])).item() == 0


def test_the_penalty_stays_finite_for_extreme_logits(small):
    model = AITM(small.inputs, 2, **ARGUMENTS, calibrator_weight=2.0, funnel=(0, 1))
    logits = torch.tensor([[-1e4, 1e4]], requires_grad=True)
    penalty = model.penalty(logits)
    penalty.backward()
    assert penalty.item() == pytest.approx(1.0)
    assert logits.grad.isfinite().all()
