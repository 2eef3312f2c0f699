"""Real models of LightGBM, XGBoost and CatBoost that would join wrongly, and what is said."""

import json
import pickle
import zlib
from pathlib import Path
from typing import Any

import catboost
import lightgbm
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
import xgboost
from sklearn.linear_model import LogisticRegression

from emm.core.errors import DataError, EmmError, ModelFileError
from emm.data.tables.schema import DenseColumn
from emm.nn.inputs import Inputs
from emm.outside.open import kind_of
from emm.outside.scorer import Context
from emm.outside.settings import OutsideModel
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


def write(kind: str, path: Path) -> None:
    """Write what isn't a saved model of trees."""
    booster = xgboost.train(XGBOOST, xgboost.DMatrix(TABLE, LABEL, nthread=1), 2)
    trees = lightgbm.train(LIGHTGBM, lightgbm.Dataset(TABLE, LABEL, params=QUIET), 2)
    model = LogisticRegression().fit(TABLE.fillna(0).to_numpy(), LABEL)
    if kind == "LightGBM's dump":
        path.write_text(json.dumps(trees.dump_model()))
    elif kind in ("json", "text"):
        booster.dump_model(path, dump_format=kind)
    elif kind == "configuration":
        path.write_text(booster.save_config())
    elif kind == "PyTorch":
        torch.save(torch.nn.Linear(2, 1).state_dict(), path)
    else:
        protocol = 0 if kind == "text pickle" else 5
        content = pickle.dumps(model, protocol=protocol)
        path.write_bytes(zlib.compress(content) if kind == "joblib" else content)


WAYS_OUT = {
    "LightGBM's dump": ("what LightGBM's dump_model shows", r'booster\.save_model\("model\.txt"\)'),
    "json": ("what XGBoost's dump_model shows", r'model\.save_model\("model\.json"\)'),
    "text": ("what XGBoost's dump_model shows", r'model\.save_model\("model\.json"\)'),
    "configuration": (r"XGBoost's configuration \(save_config\)", r'save_model\("model\.json"\)'),
    "PyTorch": ("a PyTorch network or its weights", r"torch\.onnx\.export"),
    "pickle": ("is a pickle", r"skl2onnx\.to_onnx(.|\n)*SerializeToString"),
    "text pickle": ("is a pickle", r"skl2onnx\.to_onnx"),
    "joblib": ("is a compressed pickle, as joblib writes it", r"skl2onnx\.to_onnx"),
}


@pytest.mark.parametrize("kind", WAYS_OUT)
def test_each_other_kind_of_file_has_its_own_sentence_and_way_out(
    kind: str, tmp_path: Path
) -> None:
    what, way_out = WAYS_OUT[kind]
    write(kind, tmp_path / "m")
    with pytest.raises(ModelFileError, match=rf"{what}(.|\n)*{way_out}"):
        opened(tmp_path / "m", CONTEXT, columns="raw")


def test_a_file_that_is_no_trees_may_be_onnx(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(b"\x08\x0a\x12\x07pytorch")
    assert kind_of(OutsideModel("task", model=str(tmp_path / "m"))) == "onnx"


def test_catboost_refuses_missing_categories_by_the_expression_that_fills_them(
    tmp_path: Path,
) -> None:
    job = TRAIN["job"].fill_null("nan").to_numpy().astype(object)
    data = catboost.Pool(pd.DataFrame({"job": job}), LABEL, cat_features=["job"])
    catboost.CatBoostClassifier(**CATBOOST).fit(data).save_model(tmp_path / "m.cbm")
    scorer = opened(tmp_path / "m.cbm", CONTEXT)
    with pytest.raises(DataError, match=r"columns: \{job: \"COALESCE\(job, 'nan'\)\"\}"):
        scored(scorer, TRAIN)


@pytest.mark.parametrize(
    ("loss", "kind", "outputs"),
    [("RMSE", "binary", 1), ("Logloss", "regression", 1), ("MultiClassOneVsAll", "classes", 3)],
)
def test_catboost_models_of_other_kinds_are_refused(
    loss: str, kind: str, outputs: int, tmp_path: Path
) -> None:
    label = np.digitize(SCORE, [0, 1]) if outputs == 3 else LABEL
    data = catboost.Pool(TABLE, label)
    catboost.CatBoost({**CATBOOST, "loss_function": loss}).fit(data).save_model(tmp_path / "m.cbm")
    with pytest.raises(ModelFileError, match=f"got: loss_function={loss}"):
        opened(tmp_path / "m.cbm", context_of_table(TRAIN, kind, outputs))


def test_other_classes_than_the_tasks_are_refused(tmp_path: Path) -> None:
    names = np.array(["low", "middle", "high"])[np.digitize(SCORE, [0, 1])]
    catboost.CatBoostClassifier(**CATBOOST).fit(TABLE, names).save_model(tmp_path / "m.cbm")
    context = context_of_table(TRAIN, "classes", 3, classes=("a", "b", "c"))
    with pytest.raises(ModelFileError, match="other classes than the task"):
        opened(tmp_path / "m.cbm", context)


@pytest.mark.parametrize("end", ["cbm", "json"])
def test_a_catboost_file_that_is_cut_off_is_an_error(end: str, tmp_path: Path) -> None:
    catboost.CatBoostClassifier(**CATBOOST).fit(TABLE, LABEL).save_model(tmp_path / "m", end)
    content = (tmp_path / "m").read_bytes()
    (tmp_path / "m").write_bytes(content[: int(len(content) * 0.7)])
    with pytest.raises(ModelFileError, match="damaged: catboost can't read it"):
        opened(tmp_path / "m", CONTEXT)


def test_a_missing_package_is_said_with_the_line_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m").write_bytes(b"CBM1")
    monkeypatch.setitem(__import__("sys").modules, "catboost", None)
    with pytest.raises(EmmError, match=r"pip install -e \"\.\[catboost\]\""):
        opened(tmp_path / "m", CONTEXT)
