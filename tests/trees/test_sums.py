"""Sums by level on a CPU, compared with those by index, bit for bit."""

import pytest
import torch

from emm.trees.sums import by_level


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("rounds", [0, 1, 2, 5, 40])
@pytest.mark.parametrize("levels", [1, 2, 3, 7])
def test_sums_of_levels_have_the_bits_of_adding_tree_by_tree(
    outputs: int, rounds: int, levels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = torch.Generator().manual_seed(rounds)
    leaves = torch.randn(19, rounds * outputs, dtype=torch.float64, generator=draw)
    leaves[::4] = -0.0
    found = by_level(leaves, outputs, levels)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    expected = by_level(leaves, outputs, levels)
    assert torch.equal(found.view(torch.int64), expected.view(torch.int64))
