import pytest
import torch

from emm.models.resflow import ResFlow, logit_flow, task_flow

ARGUMENTS = {"embedding_dim": 2, "bottom": [6, 4], "dropout": 0.0}
# Number of tasks, the funnel's steps, and the order of the chain.
CHAINS = [(2, (), (0, 1)), (2, (1, 0), (1, 0)), (4, (3, 1), (3, 1, 0, 2))]
WAYS = [{}, {"flow": "parallel"}, {"features": False}, {"logits": False}]


def before(order, task, way):
    """The task whose outputs a task adds to its own, None for the first."""
    place = order.index(task)
    if place == 0:
        return None
    return order[0] if way.get("flow") == "parallel" else order[place - 1]


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize(("tasks", "funnel", "order"), CHAINS, ids=str)
def test_forward_is_the_equation_of_the_paper(tasks, funnel, order, way, case, plain, small):
    """h_t^l = layer_t^l(h_t^{l-1}) + h_p^l and y_t = last_t(h_t^L) + y_p, task by task."""
    model = case.prepare(ResFlow(small.inputs, tasks, **ARGUMENTS, **way, funnel=funnel))
    layers = [each for each in model.bottoms if hasattr(each, "__len__")]
    x = plain.front(model.front, case.dense, case.sparse)
    hidden, logits = {}, {}
    for task in order:
        source, state = before(order, task, way), x
        hidden[task] = []
        for level, layer in enumerate(layers):
            state = plain.chain(layer, state, task)
            if source is not None and way.get("features", True):
                state = state + hidden[source][level]
            hidden[task].append(state)
        logits[task] = plain.chain(model.towers.layers, state, task)
        if source is not None and way.get("logits", True):
            logits[task] = logits[task] + logits[source]
    expected = torch.cat([logits[task] for task in range(tasks)], dim=1)
    torch.testing.assert_close(model(case.dense, case.sparse), expected)


@pytest.mark.parametrize(("tasks", "funnel", "order"), CHAINS, ids=str)
def test_a_task_depends_on_earlier_tasks_of_the_chain_only(tasks, funnel, order, small):
    rows = small.batch(50)
    model = small.settle(ResFlow(small.inputs, tasks, **ARGUMENTS, funnel=funnel), *rows)
    for place, task in enumerate(order):
        model.zero_grad()
        model(*rows)[:, task].sum().backward()
        read = model.bottoms[0][0].weight.grad.flatten(1).any(dim=1)
        assert set(read.nonzero().flatten().tolist()) == set(order[: place + 1])


def test_in_parallel_only_the_first_task_reaches_the_others():
    assert task_flow((2, 0, 1), "parallel").tolist() == [[1, 0, 1], [0, 1, 1], [0, 0, 1]]


def test_logits_flow_between_binary_tasks_only():
    """Tasks: a click, three classes, a number, and a purchase, in this order."""
    kinds = ("binary", "classes", "regression", "binary")
    found = logit_flow((0, 1, 2, 3), "sequential", (1, 3, 1, 1), kinds)
    expected = torch.eye(6)
    expected[5, 0] = 1.0
    assert torch.equal(found, expected)


def test_a_conversion_starts_with_the_knowledge_of_the_click(small):
    """Where the conversion's own network says nothing, its logit is that of the click."""
    rows = small.batch(50)
    model = small.settle(ResFlow(small.inputs, 2, **ARGUMENTS, funnel=(0, 1)), *rows)
    with torch.no_grad():
        model.towers.layers[-1].weight[1] = 0
        model.towers.layers[-1].bias[1] = 0
    logits = model(*rows)
    torch.testing.assert_close(logits[:, 1], logits[:, 0])
