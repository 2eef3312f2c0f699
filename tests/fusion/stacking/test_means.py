"""Means of fits: they predict the mean of what each of them predicts."""

import pytest
import torch

from emm.data.tables.schema import BINARY, CLASSES
from emm.fusion.stacking.boosted import boosted
from emm.fusion.stacking.combination import Combination
from emm.fusion.stacking.fits import predictions
from emm.fusion.stacking.means import mean_combination, mean_trees
from emm.fusion.stacking.residual import columns_of, corrections, logit_columns
from tests.fusion.stacking.generated import FOLDS, INPUTS, any_rows


@pytest.mark.parametrize("gates", [(False, False), (True, True), (False, True)])
def test_combinations_with_and_without_a_gate(gates: tuple[bool, bool]) -> None:
    own = any_rows(BINARY, 50)
    torch.manual_seed(0)
    fits = [Combination(INPUTS, 3, features=gate) for gate in gates]
    for fit in fits:
        for weight in fit.parameters():
            torch.nn.init.normal_(weight)
    expected = (predictions(fits[0], own) + predictions(fits[1], own)) / 2
    found = predictions(mean_combination(INPUTS, fits), own)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", [BINARY, CLASSES])
def test_trees(kind: str) -> None:
    own = any_rows(kind, 800)
    start = torch.zeros(800, own.outputs, dtype=torch.float64)
    found = boosted(own, INPUTS, range(FOLDS), start)
    inputs = columns_of(INPUTS, own.members * own.outputs)
    trees = mean_trees(inputs, found.trees(own, INPUTS), 0.5)
    columns = torch.cat([own.dense, logit_columns(own.logits, None)], dim=1)
    parts = [corrections(each, own, INPUTS, found.rounds) for each in found.boosters]
    expected = torch.stack(parts).mean(0) / 2
    assert expected.std() > 0
    decided = trees.decision(columns, own.sparse).view(800, -1)
    torch.testing.assert_close(decided, expected, rtol=0, atol=1e-9)
