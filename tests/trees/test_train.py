import json
from pathlib import Path

import pytest
import torch

from emm.data.tables.folds import without_fold
from emm.training.store import load_model
from emm.trees.gbdt import GradientBoosting, fit, grow
from emm.trees.train import train_trees
from tests.training.tiny import BOOSTING, IDENTITY, TASKS, fusion, make_bench

BENCH = make_bench()


def trees(folder: Path) -> GradientBoosting:
    model, about = load_model(folder, IDENTITY)
    assert isinstance(model, GradientBoosting)
    assert about.tasks == TASKS
    return model


def same(left: GradientBoosting, right: GradientBoosting) -> bool:
    pairs = zip(left.buffers(), right.buffers(), strict=True)
    return left.arguments() == right.arguments() and all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("fit_on", ["train", "out-of-fold", "held-out"])
def test_a_model_is_written_for_every_seed(tmp_path: Path, fit_on: str) -> None:
    train_trees(tmp_path, BENCH, BOOSTING, (0, 3), fusion(fit_on))
    rows = {seed: BENCH.train for seed in (0, 3)}
    if fit_on == "held-out":
        rows = {seed: without_fold(BENCH.train, 0, 3, seed) for seed in rows}
    for seed, table in rows.items():
        expected, _ = fit(table, BENCH.validation, BENCH.inputs, BOOSTING, seed=seed)
        assert same(trees(tmp_path / f"seed-{seed}"), expected)
    runs = json.loads((tmp_path / "history.json").read_text())["runs"]
    assert [(r["seed"], r["task"]) for r in runs] == [(s, t) for s in (0, 3) for t in TASKS]


def test_each_folds_model_has_as_many_trees_from_the_other_folds(tmp_path: Path) -> None:
    train_trees(tmp_path, BENCH, BOOSTING, (0,), fusion("out-of-fold", folds=3))
    _, runs = fit(BENCH.train, BENCH.validation, BENCH.inputs, BOOSTING, seed=0)
    counts = [run.best_iteration for run in runs]
    for fold in range(3):
        rows = without_fold(BENCH.train, fold, 3, seed=0)
        expected = grow(rows, BENCH.inputs, BOOSTING, counts, seed=0)
        assert same(trees(tmp_path / f"seed-0/fold-{fold}"), expected)


@pytest.mark.parametrize("fit_on", ["train", "held-out"])
def test_no_model_of_a_fold_is_written_unless_it_is_wanted(tmp_path: Path, fit_on: str) -> None:
    train_trees(tmp_path, BENCH, BOOSTING, (0,), fusion(fit_on))
    assert not list(tmp_path.rglob("fold-*"))
