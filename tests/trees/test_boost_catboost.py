"""CatBoost's trees against CatBoost's own predictions, in all kinds of tasks."""

from dataclasses import replace
from typing import Any

import catboost
import numpy as np
import pytest
import torch

from emm.core.errors import DataError
from emm.trees import boost_catboost
from emm.trees.forest import TreeEnsemble
from emm.trees.gbdt import GradientBoosting, fit, grow
from emm.trees.history import BoostingHistory
from emm.trees.settings import CatBoostSettings
from tests.trees.boosted import best
from tests.trees.three_kinds import (
    INPUTS,
    KINDS,
    SCORES,
    TRAIN,
    UNSEEN,
    VALIDATION,
    RowTensors,
    columns,
    columns_of_splits,
    losses,
    same,
)

SETTINGS = CatBoostSettings(learning_rate=0.2, max_iterations=60, depth=4, patience=6)
Fitted = tuple[GradientBoosting, list[BoostingHistory], list[Any]]


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    """A model of all tasks, its histories, and CatBoost's own models."""
    models = []
    real = boost_catboost._trees

    def trees(model: Any, *more: Any) -> TreeEnsemble:
        models.append(model)
        return real(model, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boost_catboost, "_trees", trees)
        model, histories = fit(TRAIN, VALIDATION, INPUTS, SETTINGS, seed=3)
    return model, histories, models


def features(rows: RowTensors) -> catboost.FeaturesData:
    """Numbers, the large field among them, and the small fields as text."""
    table = columns(rows)
    return catboost.FeaturesData(
        num_feature_data=table[:, [0, 1, 4]].astype(np.float32),
        cat_feature_data=table[:, [2, 3]].astype(int).astype(str).astype("S").astype(object),
    )


@pytest.mark.parametrize("task", [0, 1, 2])
@pytest.mark.parametrize("rows", [TRAIN, VALIDATION, UNSEEN], ids=["train", "held out", "unseen"])
def test_the_trees_predict_what_the_library_predicts(
    fitted: Fitted, task: int, rows: RowTensors
) -> None:
    model, histories, models = fitted
    expected = models[task].predict(
        features(rows),
        prediction_type="RawFormulaVal",
        ntree_end=histories[task].best_iteration,
    )
    found = model.ensembles[task].decision(rows.dense, rows.sparse).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("task", [0, 1, 2])
def test_the_kept_trees_have_the_best_score(fitted: Fitted, task: int) -> None:
    model, histories, _ = fitted
    own = VALIDATION.task(task)
    outputs = model.ensembles[task].decision(own.dense, own.sparse)
    expected = SCORES[KINDS[task]](outputs, own.labels[:, 0])
    assert best(histories[task]).score == pytest.approx(expected, abs=1e-7)
    assert best(histories[task]).score == max(each.score for each in histories[task].iterations)
    assert histories[task].iterations[-1].iteration in (
        histories[task].best_iteration + SETTINGS.patience,
        SETTINGS.max_iterations,
    )


def test_the_train_loss_is_that_of_the_kept_trees(fitted: Fitted) -> None:
    model, histories, _ = fitted
    found = [best(history).train_loss for history in histories]
    # CatBoost's exponential function has fewer digits.
    assert found == pytest.approx(losses(model, TRAIN), abs=1e-4)


def test_small_fields_are_split_by_ids_and_large_ones_by_order(fitted: Fitted) -> None:
    by_set, by_order = columns_of_splits(fitted[0])
    assert by_set == {2, 3}
    assert by_order >= {0, 4}


def test_the_bytes_do_not_depend_on_the_threads(fitted: Fitted) -> None:
    again, _ = fit(TRAIN, VALIDATION, INPUTS, SETTINGS, seed=3, threads=2)
    assert same(again, fitted[0])


def test_another_seed_draws_other_rows(fitted: Fitted) -> None:
    assert not same(fit(TRAIN, VALIDATION, INPUTS, SETTINGS, seed=4)[0], fitted[0])


def test_grow_makes_the_trees_of_the_fit(fitted: Fitted) -> None:
    model, histories, _ = fitted
    counts = [each.best_iteration for each in histories]
    assert same(grow(TRAIN, INPUTS, SETTINGS, counts, seed=3), model)


def test_a_class_that_does_not_occur_has_the_share_of_half_a_row_at_first() -> None:
    labels = TRAIN.labels.clone()
    labels[labels[:, 1] == 1, 1] = 2
    rows = replace(TRAIN, labels=labels)
    model, (_, history, _) = fit(rows, VALIDATION, INPUTS, SETTINGS, seed=0)
    logits = model.ensembles[1].decision(UNSEEN.dense, UNSEEN.sparse)
    assert torch.allclose(logits[:, 1], torch.tensor(2 * 0.5 / len(TRAIN)).double().log())
    known = VALIDATION.labels[:, 1] != 1
    found = model.ensembles[1].decision(VALIDATION.dense, VALIDATION.sparse)[known]
    expected = SCORES[KINDS[1]](found[:, [0, 2]], (VALIDATION.labels[known, 1] == 2).long())
    assert best(history).score == pytest.approx(expected, abs=1e-7)


def test_weights_and_missing_labels_are_those_of_the_library() -> None:
    labels = TRAIN.labels.clone()
    labels[::3, 0] = torch.nan
    weights = 1 + TRAIN.dense[:, 1]
    rows = replace(TRAIN, labels=labels, weights=weights, partly_labelled=True)
    plain = replace(SETTINGS, rows_per_tree=1.0, random_strength=0.0)
    found = grow(rows, INPUTS, plain, [5, 5, 5], seed=0, positive_weights=(3.0, 1.0, 1.0))
    known = ~labels[:, 0].isnan()
    own = weights * torch.where(labels[:, 0] == 1, 3.0, 1.0)
    model = catboost.CatBoost(
        {
            "loss_function": "Logloss",
            "iterations": 5,
            "learning_rate": 0.2,
            "depth": 4,
            "bootstrap_type": "No",
            "random_strength": 0,
            "one_hot_max_size": 255,
            "boost_from_average": True,
            "allow_writing_files": False,
            "logging_level": "Silent",
        }
    )
    part = replace(TRAIN, dense=TRAIN.dense[known], sparse=TRAIN.sparse[known])
    model.fit(catboost.Pool(features(part), labels[known, 0].numpy(), weight=own[known].numpy()))
    expected = model.predict(features(UNSEEN), prediction_type="RawFormulaVal")
    ours = found.ensembles[0].decision(UNSEEN.dense, UNSEEN.sparse).numpy()
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-12)


def test_rows_that_no_column_tells_apart_are_an_error() -> None:
    constant = replace(
        TRAIN, dense=torch.zeros_like(TRAIN.dense), sparse=torch.zeros_like(TRAIN.sparse)
    )
    with pytest.raises(DataError, match="no column has two values"):
        grow(constant, INPUTS, SETTINGS, [2, 2, 2], seed=0)
