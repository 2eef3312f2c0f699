"""The boosted correction: as LightGBM predicts it, for every kind of task."""

from dataclasses import replace

import pytest
import torch

from emm.data.tables.schema import BINARY, CLASSES, REGRESSION
from emm.fusion.stacking.boosted import boosted
from emm.fusion.stacking.residual import Boosting, as_trees, corrections, logit_columns
from tests.fusion.stacking.generated import FOLDS, INPUTS, any_rows, noise


@pytest.mark.parametrize("kind", [BINARY, REGRESSION, CLASSES])
@pytest.mark.parametrize("others", [0, 2])
def test_the_trees_add_what_lightgbm_adds(kind: str, others: int) -> None:
    own = any_rows(kind, 800)
    own = replace(own, others=noise(800, others, seed=6))
    start = torch.zeros(800, own.outputs, dtype=torch.float64)
    boosting = Boosting(own, start, INPUTS, (own, start))
    for _ in range(12):
        boosting.round()
    booster = boosting.booster
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
    boosting = Boosting(seen, start[~inside], INPUTS, (unseen, start[inside]))
    for rounds in range(1, 6):
        loss = boosting.round()
        after = start[inside] + corrections(boosting.booster, unseen, INPUTS, rounds)
        assert loss == pytest.approx(float(unseen.loss(after)), abs=1e-6)


def test_the_number_of_rounds_has_the_least_loss_of_all_folds_together() -> None:
    own = replace(any_rows(BINARY, 800), weights=None)
    start = torch.zeros(800, 1, dtype=torch.float64)
    found = boosted(own, INPUTS, range(FOLDS), start)
    losses = []
    for rounds in range(1, found.rounds + 6):
        added = start.clone()
        for fold, booster in enumerate(found.boosters):
            inside = own.folds == fold
            added[inside] = corrections(booster, own.at(inside), INPUTS, rounds)
        losses.append(float(own.loss(added)))
        if rounds == found.rounds:
            torch.testing.assert_close(found.added, added)
    assert min(losses) == losses[found.rounds - 1]
