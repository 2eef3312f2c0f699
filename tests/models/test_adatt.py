import pytest
import torch

from emm.models.adatt import AdaTT

ARGUMENTS = {"embedding_dim": 2, "expert": [6, 4], "tower": [3], "dropout": 0.0}


def fusion(level, inputs, experts, plain):
    """f_t = gated sum over all experts + sum over unit t's own experts, weighted by v_tj."""
    outputs = [
        plain.chain(level.experts, value, unit * experts + j)
        for unit, value in enumerate(inputs)
        for j in range(experts)
    ]
    gates = level.gates.linear
    fused = []
    for unit, value in enumerate(inputs[: len(gates.weight)]):
        rows = []
        for row in range(len(value)):
            bias = 0 if gates.bias is None else gates.bias[unit]
            gate = plain.softmax(gates.weight[unit] @ value[row] + bias)
            gated = sum(g * output[row] for g, output in zip(gate, outputs, strict=True))
            native = outputs[unit * experts : (unit + 1) * experts]
            rows.append(gated + sum(level.native[unit, j] * native[j][row] for j in range(experts)))
        fused.append(torch.stack(rows))
    return fused


WAYS = {
    "ours": {},
    "shared": {"shared": True},
    "published": {"norm": False, "gate_bias": True, "native": "random"},
    "fixed": {"native": "fixed"},
}


@pytest.mark.parametrize(("levels", "experts"), [(1, 2), (2, 1), (3, 2)])
@pytest.mark.parametrize("way", WAYS)
def test_forward_is_the_equation_of_the_paper(levels, experts, way, tasks, case, plain, small):
    arguments = {**ARGUMENTS, "levels": levels, "experts": experts, **WAYS[way]}
    model = case.prepare(AdaTT(small.inputs, tasks, **arguments))
    units = tasks + (way == "shared")
    fused = [plain.front(model.front, case.dense, case.sparse)] * units
    for level in model.levels:
        fused = fusion(level, fused, experts, plain)
    assert len(fused) == tasks
    towers = [plain.chain(model.towers.layers, fused[task], task) for task in range(tasks)]
    torch.testing.assert_close(model(case.dense, case.sparse), torch.cat(towers, dim=1))


@pytest.mark.parametrize("native", ["learned", "fixed"])
def test_the_residual_starts_as_the_mean_of_native_experts(native, small):
    model = AdaTT(small.inputs, 2, **ARGUMENTS, levels=1, experts=4, native=native)
    assert model.levels[0].native.tolist() == [[0.25] * 4] * 2


def test_random_native_weights_are_uniform_in_the_published_range(small):
    model = AdaTT(small.inputs, 2, **ARGUMENTS, levels=1, experts=400, native="random")
    native = model.levels[0].native.detach()
    assert native.abs().max() <= 1 / 20
    assert native.min() < -0.9 / 20
    assert native.max() > 0.9 / 20
    assert abs(native.mean()) < 0.1 / 20


def test_a_single_random_native_expert_has_the_fixed_weight_one(small):
    level = AdaTT(small.inputs, 2, **ARGUMENTS, levels=1, experts=1, native="random").levels[0]
    assert level.native.tolist() == [[1.0]] * 2
    assert "native" not in dict(level.named_parameters())


@pytest.mark.parametrize(("native", "learns"), [("learned", 1), ("random", 1), ("fixed", 0)])
def test_whether_the_residual_learns(native, learns, small):
    level = AdaTT(small.inputs, 2, **ARGUMENTS, levels=1, experts=2, native=native).levels[0]
    assert ("native" in dict(level.named_parameters())) == learns


def test_without_norm_no_layer_normalises(small):
    model = AdaTT(small.inputs, 2, **ARGUMENTS, norm=False)
    assert not [each for each in model.modules() if isinstance(each, torch.nn.BatchNorm1d)]
