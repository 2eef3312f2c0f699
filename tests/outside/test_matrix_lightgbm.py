"""Real models of LightGBM on raw columns, against their own predictions for hard rows."""

from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import polars as pl
import pytest

from tests.outside.raw_scoring import context_of_table, opened, probabilities, scored
from tests.outside.tree_cases import (
    ALL,
    CLASSES,
    LABEL,
    LIGHTGBM,
    OWN,
    QUIET,
    SCORE,
    SETS,
    TRAIN,
    Array,
    check,
)
from tests.outside.tree_tables import NUMBERS, frame, hard_table, label_of, raw_table

LIGHTGBM_CASES: dict[str, dict[str, Any]] = {
    "gbdt": {},
    "zeros are missing": {"zero_as_missing": True},
    "dart": {"boosting": "dart", "drop_rate": 0.9, "skip_drop": 0.0},
    "random forest": {"boosting": "rf", "bagging_fraction": 0.5, "bagging_freq": 1},
    "sets": SETS,
    "max_bin": {"max_bin": 31, "min_data_in_bin": 1},
}


@pytest.mark.parametrize("case", LIGHTGBM_CASES)
def test_lightgbm_on_a_data_frame_with_categories(case: str, tmp_path: Path) -> None:
    table = frame(TRAIN, ALL, OWN)
    booster = lightgbm.train(
        LIGHTGBM | LIGHTGBM_CASES[case], lightgbm.Dataset(table, LABEL, params=QUIET), 15
    )
    booster.save_model(tmp_path / "m.txt")

    def logit(rows: pl.DataFrame) -> Array:
        # The raw scores of a random forest are the sum, not the mean.
        probability = booster.predict(frame(rows, ALL, OWN))
        return np.log(probability / (1 - probability))

    check(tmp_path / "m.txt", logit)


def test_lightgbms_parameter_sigmoid_is_part_of_the_logit(tmp_path: Path) -> None:
    data = lightgbm.Dataset(frame(TRAIN, NUMBERS, {}), LABEL, params=QUIET)
    booster = lightgbm.train(LIGHTGBM | {"sigmoid": 2.5}, data, 10)
    booster.save_model(tmp_path / "m.txt")
    scorer, rows = opened(tmp_path / "m.txt", context_of_table(TRAIN), columns="raw"), hard_table()
    expected = booster.predict(frame(rows, NUMBERS, {}))
    np.testing.assert_allclose(probabilities(scored(scorer, rows))[:, 0], expected, atol=1e-12)


def test_lightgbm_without_missing_values(tmp_path: Path) -> None:
    table = frame(TRAIN, NUMBERS, {}).fillna(0.0)
    data = lightgbm.Dataset(table, LABEL, params=QUIET)
    booster = lightgbm.train(LIGHTGBM | {"use_missing": False}, data, 10)
    booster.save_model(tmp_path / "m.txt")
    check(
        tmp_path / "m.txt", lambda rows: booster.predict(frame(rows, NUMBERS, {}), raw_score=True)
    )


def test_lightgbm_that_stopped_early(tmp_path: Path) -> None:
    table = frame(TRAIN, ALL, OWN)
    model = lightgbm.LGBMClassifier(
        n_estimators=100, learning_rate=0.5, n_jobs=1, verbose=-1, min_child_samples=5
    )
    stop = lightgbm.early_stopping(3, verbose=False)
    held_out = raw_table(500, seed=3)
    labels = (label_of(held_out) > np.median(SCORE)).astype(int)
    model.fit(table, LABEL, eval_X=frame(held_out, ALL, OWN), eval_y=labels, callbacks=[stop])
    assert model.best_iteration_ < 100
    model.booster_.save_model(tmp_path / "m.txt")
    check(
        tmp_path / "m.txt",
        lambda rows: model.predict_proba(frame(rows, ALL, OWN), raw_score=True),
    )


def test_lightgbm_with_codes_in_a_plain_table(tmp_path: Path) -> None:
    def plain(rows: pl.DataFrame) -> Array:
        return np.column_stack([rows[name].cast(pl.Float64).to_numpy() for name in ("age", "city")])

    data = lightgbm.Dataset(
        plain(TRAIN), LABEL, feature_name=["age", "city"], categorical_feature=[1], params=QUIET
    )
    booster = lightgbm.train(LIGHTGBM | SETS, data, 10)
    booster.save_model(tmp_path / "m.txt")
    check(tmp_path / "m.txt", lambda rows: booster.predict(plain(rows), raw_score=True))


def test_lightgbm_of_classes(tmp_path: Path) -> None:
    table = frame(TRAIN, ALL, OWN)
    params = LIGHTGBM | {"objective": "multiclass", "num_class": 3}
    booster = lightgbm.train(params, lightgbm.Dataset(table, CLASSES, params=QUIET), 6)
    booster.save_model(tmp_path / "m.txt")
    check(
        tmp_path / "m.txt",
        lambda rows: booster.predict(frame(rows, ALL, OWN), raw_score=True),
        kind="classes",
        outputs=3,
    )


@pytest.mark.parametrize("objective", ["regression", "quantile"])
def test_lightgbm_of_values(objective: str, tmp_path: Path) -> None:
    data = lightgbm.Dataset(frame(TRAIN, ALL, OWN), SCORE, params=QUIET)
    booster = lightgbm.train(LIGHTGBM | {"objective": objective}, data, 10)
    booster.save_model(tmp_path / "m.txt")
    check(
        tmp_path / "m.txt",
        lambda rows: booster.predict(frame(rows, ALL, OWN)),
        kind="regression",
    )
