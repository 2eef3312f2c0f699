import pytest
import torch

from emm.models.ple import PLE

ARGUMENTS = {"embedding_dim": 2, "expert": [6, 4], "tower": [3], "dropout": 0.0}


def gated(gate, values, experts, plain):
    """Expert outputs weighted by softmax(W v), row by row."""
    rows = []
    for row, value in enumerate(values):
        weights = plain.softmax(gate @ value)
        assert len(weights) == len(experts)
        rows.append(sum(w * expert[row] for w, expert in zip(weights, experts, strict=True)))
    return torch.stack(rows)


def extraction(level, inputs, shared_input, specific, plain):
    """One level of the paper: the output of each task, and the shared one (None if last)."""
    specific_experts, place = [], 0
    for value in inputs:
        specific_experts.append(
            [plain.chain(level.experts, value, place + j) for j in range(specific)]
        )
        place += specific
    count = level.experts[0].weight.shape[0] - place
    shared = [plain.chain(level.experts, shared_input, place + j) for j in range(count)]
    gates = level.task_gates.linear.weight
    outputs = [
        gated(gates[task], inputs[task], specific_experts[task] + shared, plain)
        for task in range(len(inputs))
    ]
    if level.shared_gate is None:
        return outputs, None
    everything = [expert for experts in specific_experts for expert in experts] + shared
    return outputs, gated(level.shared_gate.linear.weight[0], shared_input, everything, plain)


@pytest.mark.parametrize(("levels", "specific", "shared"), [(1, 2, 1), (2, 2, 2), (3, 1, 2)])
def test_forward_is_the_equation_of_the_paper(levels, specific, shared, tasks, case, plain, small):
    counts = {"levels": levels, "specific_experts": specific, "shared_experts": shared}
    model = case.prepare(PLE(small.inputs, tasks, **ARGUMENTS, **counts))
    x = plain.front(model.front, case.dense, case.sparse)
    inputs, common = [x] * tasks, x
    for level in model.levels:
        inputs, common = extraction(level, inputs, common, specific, plain)
    towers = [plain.chain(model.towers.layers, inputs[task], task) for task in range(tasks)]
    torch.testing.assert_close(model(case.dense, case.sparse), torch.cat(towers, dim=1))
    assert common is None
