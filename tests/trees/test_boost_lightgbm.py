"""LightGBM's trees against LightGBM's own predictions, in all kinds of tasks."""

from dataclasses import replace
from typing import Any

import lightgbm
import numpy as np
import pytest
import torch

from emm.trees import boost_lightgbm
from emm.trees.forest import TreeEnsemble
from emm.trees.gbdt import GradientBoosting, fit, grow
from emm.trees.history import BoostingHistory
from emm.trees.settings import LightGBMSettings
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

SETTINGS = LightGBMSettings(
    learning_rate=0.1,
    max_iterations=60,
    max_leaf_nodes=8,
    min_samples_leaf=5,
    patience=8,
    columns_per_tree=0.6,
    rows_per_tree=0.7,
    category_smoothing=2.0,
    min_samples_category=5,
)
Fitted = tuple[GradientBoosting, list[BoostingHistory], list[Any]]


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    """A model of all tasks, its histories, and LightGBM's own boosters."""
    boosters = []
    real = boost_lightgbm._trees

    def trees(booster: Any, *more: Any) -> TreeEnsemble:
        boosters.append(booster)
        return real(booster, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boost_lightgbm, "_trees", trees)
        model, histories = fit(TRAIN, VALIDATION, INPUTS, SETTINGS, seed=3)
    return model, histories, boosters


@pytest.mark.parametrize("task", [0, 1, 2])
@pytest.mark.parametrize("rows", [TRAIN, VALIDATION, UNSEEN], ids=["train", "held out", "unseen"])
def test_the_trees_predict_what_the_library_predicts(
    fitted: Fitted, task: int, rows: RowTensors
) -> None:
    model, histories, boosters = fitted
    expected = boosters[task].predict(
        columns(rows), raw_score=True, num_iteration=histories[task].best_iteration
    )
    found = model.ensembles[task].decision(rows.dense, rows.sparse).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("task", [0, 1, 2])
def test_the_kept_trees_have_the_best_score(fitted: Fitted, task: int) -> None:
    model, histories, _ = fitted
    own = VALIDATION.task(task)
    outputs = model.ensembles[task].decision(own.dense, own.sparse)
    expected = SCORES[KINDS[task]](outputs, own.labels[:, 0])
    assert best(histories[task]).score == pytest.approx(expected, abs=1e-9)
    assert best(histories[task]).score == max(each.score for each in histories[task].iterations)
    assert histories[task].iterations[-1].iteration in (
        histories[task].best_iteration + SETTINGS.patience,
        SETTINGS.max_iterations,
    )


def test_the_train_loss_is_that_of_the_kept_trees(fitted: Fitted) -> None:
    model, histories, _ = fitted
    found = [best(history).train_loss for history in histories]
    assert found == pytest.approx(losses(model, TRAIN), abs=1e-6)


def test_small_fields_are_split_by_sets_and_large_ones_by_order(fitted: Fitted) -> None:
    assert columns_of_splits(fitted[0]) == ({2, 3}, {0, 1, 4})


def test_the_bytes_do_not_depend_on_the_threads() -> None:
    one, two = (
        grow(TRAIN, INPUTS, SETTINGS, [6, 3, 6], seed=3, threads=threads) for threads in (1, 2)
    )
    assert same(one, two)


def test_another_seed_draws_other_rows_and_columns(fitted: Fitted) -> None:
    assert not same(fit(TRAIN, VALIDATION, INPUTS, SETTINGS, seed=4)[0], fitted[0])


def test_grow_makes_the_trees_of_the_fit(fitted: Fitted) -> None:
    model, histories, _ = fitted
    counts = [each.best_iteration for each in histories]
    assert same(grow(TRAIN, INPUTS, SETTINGS, counts, seed=3), model)


def test_missing_labels_and_weights_are_those_of_the_library() -> None:
    labels = TRAIN.labels.clone()
    labels[::3, 0] = torch.nan
    weights = 1 + TRAIN.dense[:, 1]
    rows = replace(TRAIN, labels=labels, weights=weights, partly_labelled=True)
    plain = replace(SETTINGS, columns_per_tree=1.0, rows_per_tree=1.0)
    found = grow(rows, INPUTS, plain, [5, 5, 5], seed=0, positive_weights=(3.0, 1.0, 1.0))
    known = ~labels[:, 0].isnan()
    own = weights * torch.where(labels[:, 0] == 1, 3.0, 1.0)
    expected = lightgbm.train(
        {
            "objective": "binary",
            "learning_rate": 0.1,
            "num_leaves": 8,
            "min_data_in_leaf": 5,
            "cat_smooth": 2.0,
            "min_data_per_group": 5,
            "verbosity": -1,
        },
        lightgbm.Dataset(
            columns(TRAIN)[known.numpy()],
            labels[known, 0].numpy(),
            weight=own[known].numpy(),
            categorical_feature=[2, 3],
        ),
        5,
    ).predict(columns(UNSEEN), raw_score=True)
    ours = found.ensembles[0].decision(UNSEEN.dense, UNSEEN.sparse).numpy()
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-12)


def test_a_class_that_does_not_occur_has_the_share_of_half_a_row() -> None:
    labels = TRAIN.labels.clone()
    labels[labels[:, 1] == 1, 1] = 2
    model = grow(replace(TRAIN, labels=labels), INPUTS, SETTINGS, [4, 4, 4], seed=0)
    logits = model.ensembles[1].decision(UNSEEN.dense, UNSEEN.sparse)
    assert torch.allclose(logits[:, 1], torch.tensor(0.5 / len(TRAIN)).double().log())
    assert logits[:, [0, 2]].std(0).gt(0).all()


def test_rounds_without_a_split_end_boosting() -> None:
    constant = replace(
        TRAIN, dense=torch.zeros_like(TRAIN.dense), sparse=torch.zeros_like(TRAIN.sparse)
    )
    model, histories = fit(constant, VALIDATION, INPUTS, SETTINGS, seed=0)
    assert [each.best_iteration for each in histories] == [1, 1, 1]
    share = TRAIN.labels[:, 0].double().mean()
    decision = model.ensembles[0].decision(UNSEEN.dense, UNSEEN.sparse)
    torch.testing.assert_close(decision, share.logit().expand(len(UNSEEN)), rtol=0, atol=1e-6)
    grown = grow(constant, INPUTS, SETTINGS, [7, 7, 7], seed=0)
    torch.testing.assert_close(
        grown.ensembles[0].decision(UNSEEN.dense, UNSEEN.sparse), decision, rtol=0, atol=1e-9
    )
