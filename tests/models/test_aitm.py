from math import log

import pytest
import torch

from emm.models.aitm import AITM, calibrator

ARGUMENTS = {"embedding_dim": 2, "bottom": [6, 4], "tower": [3], "dropout": 0.0}


def transferred(transfer, previous, current, plain):
    """z = sum_u w_u V(u) over u in {g(previous), current}, w = softmax(<Q(u), K(u)> / sqrt(H))."""
    information = plain.chain(transfer.information, previous)
    query, key, value = transfer.projections.weight.chunk(3)
    query_bias, key_bias, value_bias = transfer.projections.bias.chunk(3)
    rows = []
    for tokens in zip(information, current, strict=True):
        scores = [
            torch.dot(query @ token + query_bias, key @ token + key_bias) / len(token) ** 0.5
            for token in tokens
        ]
        weights = plain.softmax(torch.stack(scores))
        rows.append(sum(w * (value @ u + value_bias) for w, u in zip(weights, tokens, strict=True)))
    return torch.stack(rows)


def test_forward_is_the_equation_of_the_paper(tasks, case, plain, small):
    model = case.prepare(AITM(small.inputs, tasks, **ARGUMENTS, calibrator_weight=0.1))
    x = plain.front(model.front, case.dense, case.sparse)
    z = plain.chain(model.bottoms, x, 0)
    logits = [plain.chain(model.towers.layers, z, 0)]
    for task in range(1, tasks):
        q = plain.chain(model.bottoms, x, task)
        z = transferred(model.transfers[task - 1], z, q, plain)
        logits.append(plain.chain(model.towers.layers, z, task))
    torch.testing.assert_close(model(case.dense, case.sparse), torch.cat(logits, dim=1))


def test_a_task_depends_on_earlier_tasks_only(small):
    rows = small.batch(50)
    model = small.settle(AITM(small.inputs, 3, **ARGUMENTS, calibrator_weight=0.1), *rows)
    model(*rows)[:, 1].sum().backward()
    assert model.bottoms[0].weight.grad.flatten(1).any(dim=1).tolist() == [True, True, False]


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


@pytest.mark.parametrize("weight", [0.0, 0.7])
def test_the_penalty_is_the_weighted_calibrator(weight, small):
    model = AITM(small.inputs, 2, **ARGUMENTS, calibrator_weight=weight)
    logits = torch.tensor([log_odds(0.25, 0.75)])
    assert model.penalty(logits).item() == pytest.approx(weight * 0.5)


def test_the_penalty_stays_finite_for_extreme_logits(small):
    model = AITM(small.inputs, 2, **ARGUMENTS, calibrator_weight=1.0)
    logits = torch.tensor([[-1e4, 1e4]], requires_grad=True)
    penalty = model.penalty(logits)
    penalty.backward()
    assert penalty.item() == pytest.approx(1.0)
    assert logits.grad.isfinite().all()
