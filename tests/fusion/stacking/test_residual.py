"""The boosted correction: as LightGBM predicts it, for every kind of task."""

from dataclasses import replace

import pytest
import torch

from emm.data.tables.schema import BINARY, CLASSES, REGRESSION
from emm.fusion.stacking.residual import as_trees, corrections, fit_residual, logit_columns
from tests.fusion.stacking.generated import INPUTS, any_rows, noise


@pytest.mark.parametrize("kind", [BINARY, REGRESSION, CLASSES])
@pytest.mark.parametrize("others", [0, 2])
def test_the_trees_add_what_lightgbm_adds(kind: str, others: int) -> None:
    own = any_rows(kind, 800)
    own = replace(own, others=noise(800, others, seed=6))
    start = torch.zeros(800, own.outputs, dtype=torch.float64)
    booster, losses = fit_residual(own, start, INPUTS, 12)
    assert not len(losses)
    trees = as_trees(booster, own, INPUTS, 9)
    columns = torch.cat([own.dense, logit_columns(own.logits, own.others)], dim=1)
    found = trees(columns, own.sparse).double()
    expected = corrections(booster, own, INPUTS, 9)
    assert expected.std() > 0.01
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_the_losses_of_unseen_rows_are_those_after_each_round() -> None:
    own = any_rows(BINARY, 800)
    own = replace(own, weights=None)
    start = 0.3 * own.logits[:, 0].double()
    seen, unseen = own.fold(0, inside=False), own.fold(0, inside=True)
    inside = own.folds == 0
    booster, losses = fit_residual(
        seen, start[~inside], INPUTS, 5, unseen=unseen, unseen_start=start[inside]
    )
    for rounds in (1, 5):
        after = start[inside] + corrections(booster, unseen, INPUTS, rounds)
        assert losses[rounds - 1] == pytest.approx(float(unseen.loss(after)), abs=1e-6)
