"""Real models of XGBoost on raw columns, against their own predictions for hard rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xgboost

from tests.outside.tree_cases import ALL, CLASSES, LABEL, LISTS, SCORE, TRAIN, XGBOOST, Array, check
from tests.outside.tree_tables import CATEGORIES, NUMBERS, frame, label_of, raw_table


def known_only(rows: pl.DataFrame) -> pl.DataFrame:
    """XGBoost refuses unseen categories; missing ones take their place."""
    for name in CATEGORIES:
        seen = rows[name].is_in(LISTS[name])
        rows = rows.with_columns(pl.when(seen).then(pl.col(name)).alias(name))
    return rows


def xgboost_frame(rows: pl.DataFrame, columns: tuple[str, ...] = ALL) -> pd.DataFrame:
    lists = {name: each for name, each in LISTS.items() if name in columns}
    return frame(known_only(rows), columns, lists)


XGBOOST_CASES: dict[str, dict[str, Any]] = {
    "sets": {"max_cat_to_onehot": 1, "max_cat_threshold": 300},
    "one-hot": {"max_cat_to_onehot": 1000},
    "dart": {"booster": "dart", "rate_drop": 0.5, "one_drop": 1},
    "forest": {"num_parallel_tree": 3, "subsample": 0.5},
    "logitraw": {"objective": "binary:logitraw", "base_score": 0.3},
}


@pytest.mark.parametrize("case", XGBOOST_CASES)
@pytest.mark.parametrize("end", ["json", "ubj"])
def test_xgboost_on_a_data_frame_with_categories(case: str, end: str, tmp_path: Path) -> None:
    def matrix(rows: pl.DataFrame, labels: Array | None = None) -> xgboost.DMatrix:
        return xgboost.DMatrix(xgboost_frame(rows), labels, enable_categorical=True, nthread=1)

    booster = xgboost.train(XGBOOST | XGBOOST_CASES[case], matrix(TRAIN, LABEL), 10)
    booster.save_model(tmp_path / f"m.{end}")
    check(tmp_path / f"m.{end}", lambda rows: booster.predict(matrix(rows), output_margin=True))


def test_xgboost_that_stopped_early(tmp_path: Path) -> None:
    model = xgboost.XGBClassifier(
        n_estimators=60, learning_rate=0.5, n_jobs=1, early_stopping_rounds=3
    )
    held_out = raw_table(500, seed=3)
    labels = (label_of(held_out) > np.median(SCORE)).astype(int)
    data = [(xgboost_frame(held_out, NUMBERS), labels)]
    model.fit(xgboost_frame(TRAIN, NUMBERS), LABEL, eval_set=data, verbose=False)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    model.save_model(tmp_path / "m.json")
    check(
        tmp_path / "m.json",
        lambda rows: model.predict(xgboost_frame(rows, NUMBERS), output_margin=True),
    )


def test_xgboost_of_classes(tmp_path: Path) -> None:
    model = xgboost.XGBClassifier(n_estimators=5, n_jobs=1, enable_categorical=True)
    model.fit(xgboost_frame(TRAIN), CLASSES)
    model.save_model(tmp_path / "m.ubj")
    check(
        tmp_path / "m.ubj",
        lambda rows: model.predict(xgboost_frame(rows), output_margin=True),
        kind="classes",
        outputs=3,
    )


def test_xgboost_of_values(tmp_path: Path) -> None:
    model = xgboost.XGBRegressor(n_estimators=8, n_jobs=1, enable_categorical=True)
    model.fit(xgboost_frame(TRAIN), SCORE)
    model.save_model(tmp_path / "m.json")
    check(tmp_path / "m.json", lambda rows: model.predict(xgboost_frame(rows)), kind="regression")
