import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from emm.core.errors import DataError
from emm.data.tables.folds import without_fold
from emm.training.checkpoint import Checkpoint
from emm.training.store import load_model
from emm.trees.gbdt import GradientBoosting, fit, grow
from emm.trees.train import train_trees
from tests.fusion.partly_labelled import make_partly_labelled
from tests.training.tiny import BOOSTING, IDENTITY, TASKS, fusion, make_context

CONTEXT = make_context()
PARTLY = make_partly_labelled()


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
    train_trees(tmp_path, "gbdt", CONTEXT, BOOSTING, (0, 3), fusion(fit_on))
    rows = {seed: CONTEXT.train for seed in (0, 3)}
    if fit_on == "held-out":
        rows = {seed: without_fold(CONTEXT.train, 0, 3, seed) for seed in rows}
    for seed, table in rows.items():
        expected, _ = fit(table, CONTEXT.validation, CONTEXT.inputs, BOOSTING, seed=seed)
        assert same(trees(tmp_path / f"seed-{seed}"), expected)
    runs = json.loads((tmp_path / "history.json").read_text())["runs"]
    assert [(r["seed"], r["task"]) for r in runs] == [(s, t) for s in (0, 3) for t in TASKS]


def test_the_model_of_a_fold_has_as_many_trees_from_the_other_folds(tmp_path: Path) -> None:
    train_trees(tmp_path, "gbdt", CONTEXT, BOOSTING, (0,), fusion("out-of-fold", folds=3))
    _, runs = fit(CONTEXT.train, CONTEXT.validation, CONTEXT.inputs, BOOSTING, seed=0)
    counts = [run.best_iteration for run in runs]
    for fold in range(3):
        rows = without_fold(CONTEXT.train, fold, 3, seed=0)
        expected = grow(rows, CONTEXT.inputs, BOOSTING, counts, seed=0)
        assert same(trees(tmp_path / f"seed-0/fold-{fold}"), expected)


@pytest.mark.parametrize("fit_on", ["train", "held-out"])
def test_models_of_folds_are_written_out_of_fold_only(tmp_path: Path, fit_on: str) -> None:
    train_trees(tmp_path, "gbdt", CONTEXT, BOOSTING, (0,), fusion(fit_on))
    assert not list(tmp_path.rglob("fold-*"))


def test_missing_labels_and_classes_are_trained_resumed_and_recorded(tmp_path: Path) -> None:
    expected, histories = fit(PARTLY.train, PARTLY.validation, PARTLY.inputs, BOOSTING, seed=0)
    stage = Checkpoint("", tmp_path / "checkpoints", {})
    for folder in ("first", "resumed"):
        train_trees(tmp_path / folder, "gbdt", PARTLY, BOOSTING, (0,), checkpoint=stage)
        assert same(trees(tmp_path / folder / "seed-0"), expected)
        runs = json.loads((tmp_path / folder / "history.json").read_text())["runs"]
        for run, task, history in zip(runs, TASKS, histories, strict=True):
            found = [epoch["auc"][task] for epoch in run["epochs"]]
            assert found == [each.score for each in history.iterations]


@pytest.mark.parametrize("fit_on", ["train", "out-of-fold"])
def test_the_recipe_sets_the_weight_of_positives(tmp_path: Path, fit_on: str) -> None:
    how = fusion(fit_on)
    train_trees(tmp_path, "gbdt", CONTEXT, BOOSTING, (0,), how, positive_weights=(1.0, 4.0))
    rows = CONTEXT.train, CONTEXT.validation, CONTEXT.inputs, BOOSTING
    expected, histories = fit(*rows, seed=0, positive_weights=(1.0, 4.0))
    assert same(trees(tmp_path / "seed-0"), expected)
    assert not same(trees(tmp_path / "seed-0"), fit(*rows, seed=0)[0])
    if fit_on == "out-of-fold":
        counts = [each.best_iteration for each in histories]
        without = without_fold(CONTEXT.train, 1, 3, seed=0)
        weights = (1.0, 4.0)
        grown = grow(without, CONTEXT.inputs, BOOSTING, counts, seed=0, positive_weights=weights)
        assert same(trees(tmp_path / "seed-0/fold-1"), grown)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_task_whose_labels_are_all_equal_is_named(tmp_path: Path, split: str) -> None:
    rows = getattr(CONTEXT, split)
    labels = rows.labels.clone()
    labels[:, 1] = 0
    context = replace(CONTEXT, **{split: replace(rows, labels=labels)})
    with pytest.raises(DataError, match=f"task t1 in {split}"):
        train_trees(tmp_path, "gbdt", context, BOOSTING, (0,))
