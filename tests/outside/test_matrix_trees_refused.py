"""Real models of LightGBM, XGBoost and CatBoost that would join wrongly, and what is said."""

from pathlib import Path
from typing import Any

import catboost
import lightgbm
import numpy as np
import pandas as pd
import polars as pl
import pytest
import xgboost

from emm.core.errors import DataError, ModelFileError
from emm.data.tables.schema import DenseColumn
from emm.nn.inputs import Inputs
from emm.outside.scorer import Context
from tests.outside.raw_scoring import context_of_table, opened, scored
from tests.outside.tree_tables import NUMBERS, frame, label_of, raw_table

QUIET = {"verbosity": -1, "num_threads": 1, "min_data_in_leaf": 5}
LIGHTGBM = {**QUIET, "objective": "binary"}
XGBOOST = {"objective": "binary:logistic", "nthread": 1}
CATBOOST = {"iterations": 3, "verbose": 0, "thread_count": 1, "allow_writing_files": False}

TRAIN = raw_table()
SCORE = label_of(TRAIN)
LABEL = (np.median(SCORE) < SCORE).astype(int)
TABLE = frame(TRAIN, NUMBERS, {})


def dense(name: str) -> DenseColumn:
    values = TRAIN[name].drop_nulls().cast(pl.Float64)
    low, high, mean = float(values.min()), float(values.max()), float(values.mean())
    quantiles = tuple(np.unique(np.quantile(values.to_numpy(), np.linspace(0.05, 0.95, 19))))
    return DenseColumn(name, low, high, mean, float(values.std()), 0, False, quantiles)


DENSE = tuple(map(dense, NUMBERS))
ENCODED = pl.DataFrame(
    {
        column.name: column.scaled(TRAIN[column.name].fill_null(column.mean).cast(pl.Float64))
        for column in DENSE
    }
).with_columns(job=pl.Series(np.arange(len(TRAIN)) % 5, dtype=pl.Int32))
CONTEXT: Context = context_of_table(
    TRAIN, inputs=Inputs(3, (5,)), encoded=(*NUMBERS, "job"), dense=DENSE
)


def save_lightgbm(path: Path, table: Any, **params: Any) -> Path:
    data = lightgbm.Dataset(table, LABEL, params=QUIET)
    lightgbm.train(LIGHTGBM | params, data, 5).save_model(path / "m.txt")
    return path / "m.txt"


def save_xgboost(path: Path, table: Any, **params: Any) -> Path:
    data = xgboost.DMatrix(table, LABEL, enable_categorical=True, nthread=1)
    xgboost.train(XGBOOST | params, data, 5).save_model(path / "m.json")
    return path / "m.json"


def save_catboost(path: Path, table: Any) -> Path:
    catboost.CatBoostClassifier(**CATBOOST).fit(table, LABEL).save_model(path / "m.cbm")
    return path / "m.cbm"


SAVE = {"lightgbm": save_lightgbm, "xgboost": save_xgboost}
ALL: dict[str, Any] = {**SAVE, "catboost": save_catboost}


def as_frame(table: pl.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({name: table[name].to_numpy().astype(float) for name in table.columns})


@pytest.mark.parametrize("library", ALL)
def test_a_model_of_raw_values_is_refused_on_encoded_columns(library: str, tmp_path: Path) -> None:
    path = ALL[library](tmp_path, TABLE)
    with pytest.raises(ModelFileError, match="this model was trained on raw values: columns: raw"):
        opened(path, CONTEXT, columns="encoded")


@pytest.mark.parametrize("library", ALL)
def test_a_model_of_encoded_values_is_refused_on_raw_columns(library: str, tmp_path: Path) -> None:
    path = ALL[library](tmp_path, as_frame(ENCODED))
    with pytest.raises(ModelFileError, match="was trained on encoded columns: columns: encoded"):
        opened(path, CONTEXT, columns="raw")


@pytest.mark.parametrize("library", SAVE)
@pytest.mark.parametrize(("table", "columns"), [(TABLE, "raw"), (as_frame(ENCODED), "encoded")])
def test_the_values_in_a_file_decide_which_columns_it_reads(
    library: str, table: pd.DataFrame, columns: str, tmp_path: Path
) -> None:
    scorer = opened(SAVE[library](tmp_path, table), CONTEXT)
    assert scorer.columns == columns
    assert scorer.said[0].startswith(f"it reads the {columns} columns, as its file shows: ")


@pytest.mark.parametrize("library", SAVE)
def test_a_file_that_proves_nothing_needs_columns(library: str, tmp_path: Path) -> None:
    ids = pd.DataFrame({"job": np.arange(len(LABEL)) % 5})
    path = SAVE[library](tmp_path, ids.assign(job=(ids["job"] + LABEL) % 5))
    with pytest.raises(
        ModelFileError, match=r"on raw columns or on encoded ones(.|\n)*columns: raw"
    ):
        opened(path, CONTEXT)


@pytest.mark.parametrize("library", SAVE)
def test_categories_of_text_prove_raw_columns(library: str, tmp_path: Path) -> None:
    job = pd.Categorical(TRAIN["job"].to_numpy())
    path = SAVE[library](tmp_path, pd.DataFrame({"job": job}))
    assert opened(path, CONTEXT).columns == "raw"


def test_lists_of_ordered_categories_do_not_pass_for_those_of_other_columns(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    grade = random.integers(0, 30, len(LABEL)) + 5
    table = pd.DataFrame(
        {
            "grade": pd.Categorical(grade, ordered=True),  # a number for LightGBM, with a list
            "job": pd.Categorical(TRAIN["job"].to_numpy()),
            "city": TRAIN["city"].to_numpy(),
        }
    )
    data = lightgbm.Dataset(table, LABEL, categorical_feature=["job", "city"], params=QUIET)
    lightgbm.train(LIGHTGBM, data, 3).save_model(tmp_path / "m.txt")
    with pytest.raises(ModelFileError, match="lists of categories that don't belong to its"):
        opened(tmp_path / "m.txt", CONTEXT, columns="raw")


def test_a_column_without_any_of_the_categories_is_refused(tmp_path: Path) -> None:
    table = pd.DataFrame({"city": pd.Categorical(TRAIN["city"].to_numpy() + 10_000)})
    scorer = opened(save_lightgbm(tmp_path, table), CONTEXT, columns="raw")
    with pytest.raises(DataError, match="no value of the column 'city' is among the model's"):
        scored(scorer, TRAIN)


def test_names_that_differ_by_blank_and_underscore_only_are_ambiguous(tmp_path: Path) -> None:
    path = save_lightgbm(tmp_path, TABLE)
    both = TRAIN.with_columns(pl.lit(1.0).alias("wage_per_hour"))
    with pytest.raises(ModelFileError, match="any of several columns: 'wage_per_hour'"):
        opened(path, context_of_table(both), columns="raw")
    named = {"wage_per_hour": '"wage per hour"'}
    inputs = opened(path, context_of_table(both), columns=named).inputs
    assert "wage_per_hour" in [each.name for each in inputs]


def test_such_names_of_encoded_columns_are_ambiguous_too(tmp_path: Path) -> None:
    path = save_lightgbm(tmp_path, as_frame(ENCODED))
    names = (*NUMBERS, "job", "wage_per_hour")
    context = context_of_table(TRAIN, inputs=Inputs(3, (5, 5)), encoded=names)
    with pytest.raises(ModelFileError, match="any of several columns: 'wage_per_hour'"):
        opened(path, context, columns="encoded")


def test_features_without_names_need_columns(tmp_path: Path) -> None:
    path = save_lightgbm(tmp_path, TABLE.to_numpy())
    with pytest.raises(ModelFileError, match=r"features without names(.|\n)*columns: \{Column_0:"):
        opened(path, CONTEXT, columns="raw")


def test_categories_beyond_ascii_are_refused_as_xgboost_cuts_their_list_off(tmp_path: Path) -> None:
    job = pd.Categorical(np.where(LABEL == 1, "Bäcker", "Koch"))
    path = save_xgboost(tmp_path, pd.DataFrame({"job": job}))
    with pytest.raises(ModelFileError, match="letters beyond ASCII"):
        opened(path, CONTEXT, columns="raw")


def test_text_in_a_column_of_numbers_is_refused(tmp_path: Path) -> None:
    scorer = opened(save_lightgbm(tmp_path, TABLE), CONTEXT, columns={"age": "job"})
    with pytest.raises(DataError, match=r"reads 'age' as a number(.|\n)*got: 'nurse'"):
        scored(scorer, TRAIN.with_columns(age=pl.lit("nurse")))


KINDS: dict[str, tuple[str, dict[str, Any], str]] = {
    "linear leaves": ("lightgbm", {"linear_tree": True}, "linear models in its leaves"),
    "counts": ("lightgbm", {"objective": "poisson"}, "objective=poisson"),
    "ranks": ("xgboost", {"objective": "rank:pairwise"}, "objective=rank:pairwise"),
    "linear": ("xgboost", {"booster": "gblinear"}, "isn't a tree model"),
    "hinge": ("xgboost", {"objective": "binary:hinge"}, "objective=binary:hinge"),
}


@pytest.mark.parametrize("case", KINDS)
def test_models_of_other_kinds_are_refused(case: str, tmp_path: Path) -> None:
    library, params, message = KINDS[case]
    if case == "linear leaves":
        data = lightgbm.Dataset(TABLE.fillna(0), LABEL, params=QUIET | params)
        lightgbm.train(LIGHTGBM | params, data, 3).save_model(tmp_path / "m.txt")
        path = tmp_path / "m.txt"
    elif case == "ranks":
        data = xgboost.DMatrix(TABLE, LABEL, nthread=1)
        data.set_group([len(LABEL)])
        xgboost.train(XGBOOST | params, data, 1).save_model(tmp_path / "m.json")
        path = tmp_path / "m.json"
    else:
        path = SAVE[library](tmp_path, TABLE, **params)
    with pytest.raises(ModelFileError, match=message):
        opened(path, CONTEXT, columns="raw")


@pytest.mark.parametrize("strategy", ["one_output_per_tree", "multi_output_tree"])
def test_several_targets_are_refused(strategy: str, tmp_path: Path) -> None:
    targets = np.column_stack([LABEL, 1 - LABEL])
    model = xgboost.XGBClassifier(n_estimators=2, n_jobs=1, multi_strategy=strategy)
    model.fit(TABLE.to_numpy(), targets)
    model.save_model(tmp_path / "m.json")
    with pytest.raises(ModelFileError, match=r"several targets at once(.|\n)*num_target=2"):
        opened(tmp_path / "m.json", CONTEXT, columns="raw")
