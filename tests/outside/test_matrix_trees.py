"""Real models of LightGBM, XGBoost and CatBoost, against their own predictions for hard rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import catboost
import lightgbm
import numpy as np
import pandas as pd
import polars as pl
import pytest
import xgboost

from emm.nn.inputs import Inputs
from emm.outside.scorer import Opaque, Torch
from emm.outside.trees import RawScorer
from tests.outside.raw_scoring import context_of_table, opened, probabilities, scored
from tests.outside.tree_tables import CATEGORIES, NUMBERS, frame, hard_table, label_of, raw_table

Array = np.ndarray
QUIET = {"verbosity": -1, "num_threads": 1, "deterministic": True, "seed": 0}
LIGHTGBM = {**QUIET, "objective": "binary", "num_leaves": 15, "min_data_in_leaf": 5}
SETS = {"min_data_per_group": 2, "cat_smooth": 1, "max_cat_threshold": 60}
BAGGED = {"bagging_fraction": 0.5, "bagging_freq": 1}
XGBOOST = {"objective": "binary:logistic", "max_depth": 5, "nthread": 1, "eta": 0.4, "seed": 0}

TRAIN = raw_table()
SCORE = label_of(TRAIN)
LABEL = (np.median(SCORE) < SCORE).astype(int)
CLASSES = np.digitize(SCORE, np.quantile(SCORE, [0.3, 0.7]))
LISTS = {name: TRAIN[name].drop_nulls().unique().sort().to_list() for name in CATEGORIES}
OWN: dict[str, list[Any]] = {name: [] for name in CATEGORIES}
"""Each table has the categories that occur in it; LightGBM finds their codes by its file's list."""
ALL = (*NUMBERS, *CATEGORIES)


def thresholds(scorer: Any) -> Array:
    """Up to 50 thresholds of the trees."""
    if not isinstance(scorer, RawScorer):
        return np.zeros(0)
    found = np.unique(
        np.concatenate([each.threshold[~each.leaf] for each in scorer.trees.native.trees])
    )
    return found[np.isfinite(found)][:: max(1, len(found) // 50)]


def check(path: Path, expected: Callable[[pl.DataFrame], Array], **context: Any) -> None:
    """Compare logits, or values, for 5,000 hard rows with ``expected``."""
    scorer = opened(path, context_of_table(TRAIN, **context), columns="raw")
    assert isinstance(scorer.join, Opaque)
    rows = hard_table(thresholds(scorer))
    theirs = np.asarray(expected(rows), dtype=np.float64).reshape(len(rows), -1)
    np.testing.assert_allclose(scored(scorer, rows), theirs, rtol=1e-6, atol=5e-6)


LIGHTGBM_CASES: dict[str, dict[str, Any]] = {
    "gbdt": {},
    "zeros are missing": {"zero_as_missing": True},
    "dart": {"boosting": "dart", "drop_rate": 0.9, "skip_drop": 0.0},
    "random forest": {"boosting": "rf", **BAGGED},
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


CATBOOST = {"iterations": 10, "depth": 4, "verbose": 0, "thread_count": 1, "random_seed": 0}
CATBOOST |= {"allow_writing_files": False}


def catboost_frame(rows: pl.DataFrame, columns: tuple[str, ...]) -> pd.DataFrame:
    found = frame(rows, [name for name in columns if name not in CATEGORIES], {})
    for name in set(columns) & {*CATEGORIES}:
        found[name] = rows[name].cast(pl.String).fill_null("nan").to_numpy().astype(object)
    return found[list(columns)]


@pytest.mark.parametrize("end", ["cbm", "json"])
@pytest.mark.parametrize("columns", [NUMBERS, ("job", "age", "city"), ALL], ids=len)
def test_catboost(columns: tuple[str, ...], end: str, tmp_path: Path) -> None:
    categories = [name for name in columns if name in CATEGORIES]
    data = catboost.Pool(catboost_frame(TRAIN, columns), LABEL, cat_features=categories)
    model = catboost.CatBoostClassifier(**CATBOOST).fit(data)
    path = tmp_path / f"m.{end}"
    model.save_model(path, format=end, pool=data)
    job = {"job": "COALESCE(job, 'nan')"} if "job" in columns else {}
    scorer = opened(path, context_of_table(TRAIN), columns=job or "raw")
    rows = hard_table()
    expected = model.predict(catboost_frame(rows, columns), prediction_type="RawFormulaVal")
    np.testing.assert_allclose(scored(scorer, rows, job)[:, 0], expected, rtol=0, atol=1e-12)


def test_catboost_of_classes_in_the_tasks_order(tmp_path: Path) -> None:
    names = np.array(["low", "middle", "high"])
    model = catboost.CatBoostClassifier(**CATBOOST).fit(frame(TRAIN, NUMBERS, {}), names[CLASSES])
    model.save_model(tmp_path / "m.cbm")
    context = context_of_table(TRAIN, "classes", 3, classes=names.tolist())
    scorer, rows = opened(tmp_path / "m.cbm", context), hard_table()
    expected = model.predict(frame(rows, NUMBERS, {}), prediction_type="RawFormulaVal")
    assert model.classes_.tolist() == ["high", "low", "middle"]
    np.testing.assert_allclose(scored(scorer, rows), expected[:, [1, 2, 0]], rtol=0, atol=1e-12)


def test_catboost_of_values(tmp_path: Path) -> None:
    model = catboost.CatBoostRegressor(**CATBOOST).fit(frame(TRAIN, NUMBERS, {}), SCORE)
    model.save_model(tmp_path / "m.cbm")
    check(
        tmp_path / "m.cbm", lambda rows: model.predict(frame(rows, NUMBERS, {})), kind="regression"
    )


ENCODED = Inputs(2, (30, 400))
NAMES = ("age", "wage", "job", "city")


def encoded(rows: int, seed: int) -> pl.DataFrame:
    """Processed columns: fractions, and ids of which some are rare."""
    random = np.random.default_rng(seed)
    dense = {name: random.integers(0, 9, rows).astype(np.float32) / 8 for name in NAMES[:2]}
    ids = {
        name: (size * random.random(rows) ** 2).astype(np.int32)
        for name, size in zip(NAMES[2:], ENCODED.cardinalities, strict=True)
    }
    return pl.DataFrame({**dense, **ids})


def encoded_label(table: pl.DataFrame) -> Array:
    score = (
        table["age"].to_numpy() + np.sin(table["job"].to_numpy()) + np.sin(table["city"].to_numpy())
    )
    return (score > np.median(score)).astype(int)


@pytest.mark.parametrize("sets", [[], [2], [2, 3]], ids=["numbers", "a set", "a large field"])
@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_trees_on_encoded_columns_run_in_torch(
    library: str, sets: list[int], tmp_path: Path
) -> None:
    table, rows = encoded(1_500, 0), encoded(5_000, 1)
    values, probes = table.to_numpy().astype(float), rows.to_numpy().astype(float)
    label = encoded_label(table)
    if library == "lightgbm":
        data = lightgbm.Dataset(
            values, label, feature_name=list(NAMES), categorical_feature=sets, params=QUIET
        )
        booster = lightgbm.train(LIGHTGBM | SETS, data, 10)
        expected = booster.predict(probes, raw_score=True)
        booster.save_model(tmp_path / "m")
    else:
        types = ["c" if number in sets else "q" for number in range(4)]
        names = {"feature_names": list(NAMES), "feature_types": types, "enable_categorical": True}
        booster = xgboost.train(XGBOOST, xgboost.DMatrix(values, label, **names), 10)
        expected = booster.predict(xgboost.DMatrix(probes, **names), output_margin=True)
        booster.save_model(tmp_path / "m.json")
        (tmp_path / "m.json").rename(tmp_path / "m")
    context = context_of_table(table, inputs=ENCODED, encoded=NAMES)
    scorer = opened(tmp_path / "m", context, columns="encoded")
    assert isinstance(scorer.join, Torch)
    np.testing.assert_allclose(scored(scorer, rows)[:, 0], expected, rtol=1e-6, atol=2e-6)
