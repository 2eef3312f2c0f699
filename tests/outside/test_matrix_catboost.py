"""Real models of CatBoost, against their own predictions for hard rows."""

import sys
from pathlib import Path

import catboost
import numpy as np
import pandas as pd
import polars as pl
import pytest

from emm.core.errors import DataError, EmmError, ModelFileError
from tests.outside.raw_scoring import context_of_table, opened, scored
from tests.outside.tree_cases import ALL, CLASSES, LABEL, SCORE, TRAIN, check
from tests.outside.tree_tables import CATEGORIES, NUMBERS, frame, hard_table

TABLE = frame(TRAIN, NUMBERS, {})
CONTEXT = context_of_table(TRAIN)
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
    monkeypatch.setitem(sys.modules, "catboost", None)
    with pytest.raises(EmmError, match=r"pip install -e \"\.\[catboost\]\""):
        opened(tmp_path / "m", CONTEXT)
