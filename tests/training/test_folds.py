from pathlib import Path

import torch

from emm.data.tables.folds import fold_only, folds_of
from emm.training.folds import FoldRun, fold_runs
from emm.training.settings import FoldSettings
from tests.training.tiny import table

TRAIN = table(20, 0)
SEED = Path("seed-3")


def settings(fit_on: str, folds: int = 3) -> FoldSettings:
    return FoldSettings(fit_on=fit_on, folds=folds)


def test_fit_on_train_needs_one_run_on_all_rows() -> None:
    assert fold_runs(settings("train")) == [FoldRun()]


def test_a_model_of_no_pool_needs_one_run_on_all_rows() -> None:
    assert fold_runs(None) == [FoldRun()]


def test_held_out_needs_one_run_without_the_first_fold() -> None:
    assert fold_runs(settings("held-out")) == [FoldRun(0, 3)]


def test_out_of_fold_needs_one_more_run_per_fold() -> None:
    main, *others = fold_runs(settings("out-of-fold", folds=4))
    assert main == FoldRun()
    assert others == [FoldRun(fold, 4, main=False) for fold in range(4)]


def test_a_member_is_stored_where_every_model_is() -> None:
    for fit_on in ("train", "out-of-fold", "held-out"):
        main = fold_runs(settings(fit_on))[0]
        assert (main.folder(SEED), main.names) == (SEED, ())


def test_the_model_of_a_fold_has_its_own_folder_and_name() -> None:
    run = FoldRun(2, 3, main=False)
    assert (run.folder(SEED), run.names) == (SEED / "fold-2", ("fold-2",))


def test_a_member_learns_on_all_rows() -> None:
    for fit_on in ("train", "out-of-fold"):
        assert fold_runs(settings(fit_on))[0].rows(TRAIN, seed=1) is TRAIN


def test_the_model_of_a_fold_learns_on_the_other_folds_of_its_seed() -> None:
    for run in fold_runs(settings("out-of-fold"))[1:]:
        rows = run.rows(TRAIN, seed=1)
        assert torch.equal(rows.dense, TRAIN.dense[folds_of(TRAIN, 3, seed=1) != run.left_out])


def test_no_member_learns_on_held_out_rows() -> None:
    seen = fold_runs(settings("held-out", folds=4))[0].rows(TRAIN, seed=1).dense
    held = fold_only(TRAIN, 0, 4, seed=1).dense
    assert len(seen) + len(held) == len(TRAIN)
    assert not (seen.unsqueeze(0) == held.unsqueeze(1)).all(dim=2).any()
