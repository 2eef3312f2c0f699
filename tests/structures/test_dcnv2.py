"""DCN V2 against its equations, a row at a time."""

import pytest
import torch

from emm.structures.dcnv2 import DCNV2
from tests.structures.conftest import STRUCTURES


@pytest.mark.parametrize("structure", ["parallel", "stacked"])
@pytest.mark.parametrize("rank", [None, 2])
@pytest.mark.parametrize("layers", [[6, 4], []])
def test_forward_equals_the_equations(case, plain, small, structure, rank, layers):
    arguments = {**STRUCTURES[DCNV2], "structure": structure, "rank": rank, "layers": layers}
    model = case.prepare(DCNV2(small.inputs, 1, **arguments))
    front = plain.front(model.front, case.dense, case.sparse)
    crossed = []
    for x0 in front:
        x = x0
        for cross in model.crosses:
            weight = cross.linear.weight
            weight = weight if rank is None else weight @ cross.down.weight
            x = torch.stack(
                [
                    x0[j] * (weight[j] @ x + cross.linear.bias[j]) + x[j]  # eq. 1
                    for j in range(len(x0))
                ]
            )
        crossed.append(x)
    x = torch.stack(crossed)
    if structure == "parallel":
        x = torch.cat([x, plain.chain(model.deep, front)], dim=1)
    else:
        x = plain.chain(model.deep, x)
    expected = plain.chain(torch.nn.Sequential(model.last), x)
    torch.testing.assert_close(model(case.dense, case.sparse), expected)


def test_crosses_raise_the_degree_by_one_each():
    """With x0 scaled by t, the output of l crosses is a polynomial of degree l + 1 in t."""
    from emm.structures.dcnv2 import Cross

    torch.manual_seed(0)
    crosses = [Cross(3, None).double() for _ in range(2)]
    x0, t = torch.randn(1, 3).double(), torch.arange(8).double()
    values = []
    for factor in t:
        x = scaled = x0 * factor
        for cross in crosses:
            x = cross(scaled, x)
        values.append(x[0, 0])
    differences = torch.stack(values).detach()
    for _ in range(4):  # the fourth differences of a cubic are 0, the third aren't
        before, differences = differences, differences.diff()
    assert before.abs().min() > 1e-6
    torch.testing.assert_close(differences, torch.zeros_like(differences), atol=1e-9, rtol=0)
