import torch

from emm.models.mmoe import MMoE

ARGUMENTS = {"embedding_dim": 2, "experts": 3, "expert": [6, 4], "tower": [3], "dropout": 0.0}


def expected_logits(model, plain, tasks, dense, sparse):
    """y_k = h_k(f_k(x)), f_k(x) = sum_i g_k(x)_i f_i(x), g_k(x) = softmax(W_k x)."""
    x = plain.front(model.front, dense, sparse)
    experts = [plain.chain(model.experts, x, i) for i in range(3)]
    logits = []
    for task in range(tasks):
        mixed = []
        for row in range(len(x)):
            gate = plain.softmax(model.gates.linear.weight[task] @ x[row])
            mixed.append(sum(gate[i] * experts[i][row] for i in range(3)))
        logits.append(plain.chain(model.towers.layers, torch.stack(mixed), task))
    return torch.cat(logits, dim=1)


def test_forward_is_the_equation_of_the_paper(tasks, case, plain, small):
    model = case.prepare(MMoE(small.inputs, tasks, **ARGUMENTS))
    expected = expected_logits(model, plain, tasks, case.dense, case.sparse)
    torch.testing.assert_close(model(case.dense, case.sparse), expected)
