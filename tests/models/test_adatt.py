import pytest
import torch

from emm.models.adatt import AdaTT

ARGUMENTS = {"embedding_dim": 2, "expert": [6, 4], "tower": [3], "dropout": 0.0}


def fusion(level, inputs, experts, plain):
    """f_t = gated sum over all experts + sum over task t's own experts, weighted by v_tj."""
    outputs = [
        plain.chain(level.experts, value, task * experts + j)
        for task, value in enumerate(inputs)
        for j in range(experts)
    ]
    fused = []
    for task, value in enumerate(inputs):
        rows = []
        for row in range(len(value)):
            gate = plain.softmax(level.gates.linear.weight[task] @ value[row])
            gated = sum(g * output[row] for g, output in zip(gate, outputs, strict=True))
            native = outputs[task * experts : (task + 1) * experts]
            rows.append(gated + sum(level.native[task, j] * native[j][row] for j in range(experts)))
        fused.append(torch.stack(rows))
    return fused


@pytest.mark.parametrize(("levels", "experts"), [(1, 2), (2, 1), (3, 2)])
def test_forward_is_the_equation_of_the_paper(levels, experts, tasks, case, plain, small):
    counts = {"levels": levels, "experts": experts}
    model = case.prepare(AdaTT(small.inputs, tasks, **ARGUMENTS, **counts))
    fused = [plain.front(model.front, case.dense, case.sparse)] * tasks
    for level in model.levels:
        fused = fusion(level, fused, experts, plain)
    towers = [plain.chain(model.towers.layers, fused[task], task) for task in range(tasks)]
    torch.testing.assert_close(model(case.dense, case.sparse), torch.cat(towers, dim=1))


def test_the_residual_starts_as_the_mean_of_native_experts(small):
    model = AdaTT(small.inputs, 2, **ARGUMENTS, levels=1, experts=4)
    assert model.levels[0].native.tolist() == [[0.25] * 4] * 2
