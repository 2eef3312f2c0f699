import pytest
import torch

from emm.models.ektm import EKTM

ARGUMENTS = {
    "embedding_dim": 2,
    "bottom": [6, 4],
    "router": [5],
    "tower": [3],
    "dropout": 0.0,
}
# Number of tasks, the funnel's steps, and the tasks that receive.
CASES = [(2, (), (0, 1)), (2, (0, 1), (1,)), (3, (2, 0), (0, 1)), (4, (), (0, 1, 2, 3))]


def received(model, place, own, routed, plain):
    """k = sigmoid(V (h, r)) * transmit(r), row by row."""
    transmitters = model.transmitters
    transmitted = plain.chain(transmitters.transmit, routed, place)
    rows = []
    for h, r, offered in zip(own, routed, transmitted, strict=True):
        scores = transmitters.gates.weight[place] @ torch.cat([h, r])
        gate = 1 / (1 + (-(scores + transmitters.gates.bias[place])).exp())
        rows.append(gate * offered)
    return torch.stack(rows)


@pytest.mark.parametrize(("tasks", "funnel", "receivers"), CASES, ids=str)
def test_forward_is_the_documented_equation(tasks, funnel, receivers, case, plain, small):
    model = case.prepare(EKTM(small.inputs, tasks, **ARGUMENTS, funnel=funnel))
    x = plain.front(model.front, case.dense, case.sparse)
    states = [plain.chain(model.bottoms, x, task) for task in range(tasks)]
    routed = plain.chain(model.router, torch.cat(states, dim=1))
    logits = [plain.chain(model.towers.layers, state, task) for task, state in enumerate(states)]
    for place, task in enumerate(receivers):
        taken = received(model, place, states[task], routed, plain)
        both = torch.cat([states[task], taken], dim=1)
        logits[task] = logits[task] + plain.chain(model.enhancements.layers, both, place)
    torch.testing.assert_close(model(case.dense, case.sparse), torch.cat(logits, dim=1))


def test_the_click_receives_nothing(small):
    rows = small.batch(50)
    model = small.settle(EKTM(small.inputs, 3, **ARGUMENTS, funnel=(1, 0)), *rows)
    for task in range(3):
        model.zero_grad(set_to_none=True)
        model(*rows)[:, task].sum().backward()
        read = model.bottoms[0].weight.grad.flatten(1).any(dim=1)
        assert read.tolist() == ([False, True, False] if task == 1 else [True] * 3)


def test_logits_of_classes_are_enhanced_in_their_columns(small):
    """Tasks: a click, three classes, and a conversion of the click."""
    rows, outputs = small.batch(50), (1, 3, 1)
    model = EKTM(small.inputs, 3, **ARGUMENTS, funnel=(0, 2), outputs=outputs)
    model = small.settle(model, *rows)
    before = model(*rows)
    with torch.no_grad():
        for number, layer in enumerate(model.enhancements.layers[-1].layers):
            layer.bias += 10.0 * (number + 1)
    moved = (model(*rows) - before).round()
    assert moved[0].tolist() == [0.0, 10.0, 10.0, 10.0, 20.0]
