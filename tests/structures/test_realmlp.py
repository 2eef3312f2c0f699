"""RealMLP against its equations, a row and a feature at a time."""

from math import cos, pi, sqrt

import pytest
import torch
from torch.nn.functional import mish, selu

from emm.data.tables.rows import RowTensors
from emm.structures.realmlp import ACTIVATION_RATE, BIAS_RATE, NUMERIC_RATE, SCALE_RATE, RealMLP
from emm.training.robust import robust_scales
from tests.structures.conftest import STRUCTURES


@torch.no_grad()
def plain_numeric(model: RealMLP, dense: torch.Tensor, scales: list[list[float]]) -> torch.Tensor:
    """The embedded dense features of one row."""
    w, b = model.numeric.w.stored * NUMERIC_RATE, model.numeric.b.stored * NUMERIC_RATE
    v, c = model.numeric.v.stored * NUMERIC_RATE, model.numeric.c.stored * NUMERIC_RATE
    found = []
    for feature, (median, factor) in enumerate(scales):
        z = float(dense[feature] - median) * factor
        x = z / sqrt(1 + (z / 3) ** 2)
        waves = [
            cos(2 * pi * x * float(own) + float(shift))
            for own, shift in zip(w[feature], b[feature], strict=True)
        ]
        mixed = [
            sum(wave * float(v[feature, q, e]) for q, wave in enumerate(waves)) + float(each)
            for e, each in enumerate(c[feature])
        ]
        found += [x, *mixed]
    return torch.tensor(found, dtype=dense.dtype)


@pytest.mark.parametrize("activation", ["selu", "mish"])
def test_forward_equals_the_equations(case, plain, small, activation):
    arguments = {**STRUCTURES[RealMLP], "activation": activation}
    model = case.prepare(RealMLP(small.inputs, 1, **arguments))
    function = {"selu": selu, "mish": mish}[activation]
    front = plain.front(model.front, case.dense, case.sparse)
    rows = []
    for dense, features in zip(case.dense, front, strict=True):
        x = torch.cat([plain_numeric(model, dense, arguments["scales"]), features[3:]])
        x = x * SCALE_RATE * model.scale.stored
        for linear, parametric in zip(model.blocks[::3], model.blocks[1::3], strict=True):
            x = linear.weight @ x / sqrt(len(x)) + BIAS_RATE * linear.bias.stored
            share = ACTIVATION_RATE * parametric.a.stored
            x = (1 - share) * x + share * function(x)
        x = model.last.weight @ x / sqrt(len(x)) + BIAS_RATE * model.last.bias.stored
        rows.append(x)
    torch.testing.assert_close(model(case.dense, case.sparse), torch.stack(rows))


def test_a_parameter_with_a_rate_starts_with_its_value_and_moves_by_the_rate(small):
    model = RealMLP(small.inputs, 1, **STRUCTURES[RealMLP])
    assert torch.equal(model.scale(), torch.ones_like(model.scale()))
    torch.testing.assert_close(model.blocks[1].a(), torch.ones(6))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    with torch.no_grad():
        model.last.weight.normal_()
    before = model.scale().detach().clone(), model.blocks[1].a().detach().clone()
    model(*small.batch(50)).sum().backward()
    optimiser.step()
    moved = (model.scale() - before[0]).abs(), (model.blocks[1].a() - before[1]).abs()
    # Adam's first step is the learning rate, whatever the gradient; one feature is a constant.
    torch.testing.assert_close(moved[0].max(), torch.tensor(0.06), rtol=0.01, atol=0)
    torch.testing.assert_close(moved[1].max(), torch.tensor(0.001), rtol=0.01, atol=0)


def test_it_starts_at_the_logit_zero(small):
    logits = RealMLP(small.inputs, 1, **STRUCTURES[RealMLP]).eval()(*small.batch(5))
    assert not logits.any()


def test_scales_are_medians_and_distances_of_quartiles():
    values = torch.tensor([0.0, 1.0, 2.0, 3.0, 8.0])
    columns = [values, torch.tensor([0.0, 0, 0, 0, 4]), torch.full((5,), 7.0)]
    rows = RowTensors(torch.stack(columns, 1), torch.zeros(5, 0), torch.zeros(5, 1))
    # Quartiles 1 and 3; both 0 and the range 4; a constant.
    assert robust_scales(rows) == [(2.0, 0.5), (0.0, 0.5), (7.0, 0.0)]
