from pathlib import Path

import torch

from emm.data.tables.folds import fold_only, folds_of
from emm.training.folds import Part, parts
from tests.training.tiny import fusion, table

TRAIN = table(20, 0)
SEED = Path("seed-3")


def test_all_rows_need_one_training() -> None:
    assert parts(fusion("train")) == [Part(None, main=True)]


def test_held_out_needs_one_training_without_the_first_fold() -> None:
    assert parts(fusion("held-out")) == [Part(0, main=True)]


def test_out_of_fold_needs_one_more_for_each_fold() -> None:
    own, *folds = parts(fusion("out-of-fold", folds=4))
    assert own == Part(None, main=True)
    assert folds == [Part(fold, main=False) for fold in range(4)]


def test_the_pools_own_model_is_kept_where_a_model_always_is() -> None:
    for fit_on in ("train", "out-of-fold", "held-out"):
        own = parts(fusion(fit_on))[0]
        assert (own.folder(SEED), own.names) == (SEED, ())


def test_a_folds_model_is_kept_below_it_and_told_apart() -> None:
    part = Part(2, main=False)
    assert (part.folder(SEED), part.names) == (SEED / "fold-2", ("fold-2",))


def test_the_pools_own_model_learns_on_all_rows() -> None:
    for fit_on in ("train", "out-of-fold"):
        assert parts(fusion(fit_on))[0].rows(TRAIN, fusion(fit_on), seed=1) is TRAIN


def test_a_folds_model_learns_on_the_other_folds_of_its_seed() -> None:
    how = fusion("out-of-fold", folds=3)
    for part in parts(how)[1:]:
        rows = part.rows(TRAIN, how, seed=1)
        assert torch.equal(rows.dense, TRAIN.dense[folds_of(20, 3, seed=1) != part.fold])


def test_held_out_rows_are_those_that_no_trained_model_sees() -> None:
    how = fusion("held-out", folds=4)
    seen = parts(how)[0].rows(TRAIN, how, seed=1).dense
    held = fold_only(TRAIN, 0, 4, seed=1).dense
    assert len(seen) + len(held) == len(TRAIN)
    assert not (seen.unsqueeze(0) == held.unsqueeze(1)).all(dim=2).any()
