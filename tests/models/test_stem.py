import pytest
import torch

from emm.models.stem import STEM

ARGUMENTS = {
    "embedding_dim": 2,
    "specific_experts": 2,
    "shared_experts": 1,
    "expert": [6, 4],
    "tower": [3],
    "dropout": 0.0,
}


def expected_logits(model, plain, tasks, dense, sparse):
    """y_t = tower_t(sum_k g_t(x_t + x_S)_k h_k), the shared experts last."""
    x = [plain.front(front, dense, sparse) for front in model.fronts]
    sources = [task for task in range(tasks) for _ in range(2)] + [tasks]
    experts = [plain.chain(model.experts, x[source], k) for k, source in enumerate(sources)]
    logits = []
    for task in range(tasks):
        mixed = []
        for row in range(len(dense)):
            scores = model.gates.linear.weight[task] @ (x[task][row] + x[tasks][row])
            gate = plain.softmax(scores)
            mixed.append(sum(gate[k] * experts[k][row] for k in range(len(sources))))
        logits.append(plain.chain(model.towers.layers, torch.stack(mixed), task))
    return torch.cat(logits, dim=1)


def test_forward_is_the_equation_of_the_paper(tasks, case, plain, small):
    model = case.prepare(STEM(small.inputs, tasks, **ARGUMENTS))
    expected = expected_logits(model, plain, tasks, case.dense, case.sparse)
    torch.testing.assert_close(model(case.dense, case.sparse), expected)


@pytest.mark.parametrize("task", [0, 1, 2])
def test_the_gradient_of_a_task_reaches_its_own_and_the_shared_table_only(task, small):
    rows = small.batch(50)
    model = small.settle(STEM(small.inputs, 3, **ARGUMENTS), *rows)
    model(*rows)[:, task].square().sum().backward()
    gradients = [front.table.weight.grad for front in model.fronts]
    reached = [gradient is not None and bool(gradient.any()) for gradient in gradients]
    assert reached == [number in (task, 3) for number in range(4)]
    experts = model.experts[0].weight.grad.flatten(1).any(dim=1).tolist()
    assert experts == [number // 2 in (task, 3) for number in range(6)] + [True]


def test_experts_of_other_tasks_are_read(small):
    """ "All forward": another task's embedding table changes a task's logit."""
    rows = small.batch(50)
    model = small.settle(STEM(small.inputs, 2, **ARGUMENTS), *rows)
    before = model(*rows)[:, 0]
    with torch.no_grad():
        model.fronts[1].table.weight.add_(1.0)
    assert not torch.equal(model(*rows)[:, 0], before)


def test_the_gradient_of_the_gates_is_complete(small):
    """The gate learns from all experts; only the gradient to other tasks' experts is stopped."""
    rows = small.batch(50)
    model = small.settle(STEM(small.inputs, 2, **ARGUMENTS).double(), rows[0].double(), rows[1])
    wide = rows[0].double(), rows[1]
    model(*wide).square().sum().backward()
    found = model.gates.linear.weight.grad.clone()
    model.zero_grad()
    model.reached.fill_(1.0)
    model(*wide).square().sum().backward()
    torch.testing.assert_close(model.gates.linear.weight.grad, found)
