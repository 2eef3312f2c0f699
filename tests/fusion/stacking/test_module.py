"""The fused model with every part of the ladder: what it predicts is the sum of the parts."""

import pytest
import torch
from torch import Tensor

from emm.fusion.pool import Pool
from emm.fusion.stacking.combination import Combination
from emm.fusion.stacking.module import StackedFusion
from emm.trees.forest import TreeEnsemble
from tests.fusion.fused import build, outputs_of, rows

SIZES = {"trees": 1, "nodes": 3, "bitsets": 0, "depth": 1}


def split_at(trees: TreeEnsemble, column: int, threshold: float) -> None:
    """One split on a column: -1 up to the threshold, 2 beyond it."""
    trees.load_state_dict(
        {
            **trees.state_dict(),
            "column": torch.tensor([column, 0, 0]),
            "threshold": torch.tensor([threshold, 0.0, 0.0]),
            "left": torch.tensor([1, 1, 2]),
            "right": torch.tensor([2, 1, 2]),
            "bitset": torch.tensor([-1, -1, -1]),
            "value": torch.tensor([0.0, -1.0, 2.0], dtype=torch.float64),
        }
    )


def members_of(model: torch.nn.Module, dense: Tensor, sparse: Tensor) -> list[Tensor]:
    _, starts, components, shares, offsets = model.prepared(dense, sparse)
    return model.fusion.members.logits(starts, components, shares, offsets)


@pytest.mark.parametrize("others", [False, True])
def test_a_row_gets_its_weights_and_its_correction(mixed: Pool, others: bool) -> None:
    assert outputs_of(mixed) == ()
    shape = {"gate": True, "residual": SIZES, "others": others}
    model = build(mixed, "stacked", stacks=[shape, {"gate": False}])
    fusion = model.fusion
    assert isinstance(fusion, StackedFusion)
    first, second = fusion.combinations
    assert isinstance(first, Combination)
    for weight in (*first.parameters(), *second.parameters()):
        torch.nn.init.normal_(weight)
    dense, sparse = rows(40)
    model.eval()
    with torch.no_grad():
        members = members_of(model, dense, sparse)
        seen = members[1] if others else members[0]
        read = dense.shape[1] + (members[0].shape[1] if others else 0)  # the first of these logits
        middle = float(seen[:, 0, 0].median())
        split_at(fusion.residuals[0], read, middle)
        found = model(dense, sparse)
        weights = first.weights(dense, sparse)
        assert first.features is not None
        added = first.bias + first.features(dense, sparse)[:, -1:]
    correction = torch.where(seen[:, 0] <= middle, -1.0, 2.0)
    joined = torch.cat(members, dim=1) if others else members[0]
    expected = (weights * joined[:, :, 0]).sum(1, keepdim=True) + added + correction
    torch.testing.assert_close(found[:, :1], expected)
    other = members[1][:, :, 0] @ second.weight.detach().unsqueeze(1) + second.bias.detach()
    torch.testing.assert_close(found[:, 1:], other)
