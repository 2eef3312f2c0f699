"""Trees on raw columns: damaged files, and splits that real models seldom have."""

import json
from pathlib import Path

import lightgbm
import numpy as np
import pytest
import xgboost
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emm.core.errors import EmmError, ModelFileError
from tests.outside.raw_scoring import context_of_table, opened, scored
from tests.outside.tree_cases import LABEL, LIGHTGBM, LISTS, OWN, QUIET, SETS, TRAIN, XGBOOST
from tests.outside.tree_tables import frame

COLUMNS = ("age", "job", "city")
CONTEXT = context_of_table(TRAIN)
FIXTURES = (HealthCheck.function_scoped_fixture,)


@pytest.fixture(scope="module")
def lightgbm_text() -> str:
    data = lightgbm.Dataset(frame(TRAIN, COLUMNS, OWN), LABEL, params=QUIET)
    return lightgbm.train(LIGHTGBM | SETS, data, 2).model_to_string()


@pytest.fixture(scope="module")
def xgboost_text() -> str:
    data = xgboost.DMatrix(frame(TRAIN, COLUMNS, LISTS), LABEL, enable_categorical=True, nthread=1)
    return bytes(xgboost.train(XGBOOST, data, 2).save_raw("json")).decode()


def score_or_refuse(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
    try:
        found = scored(opened(path, CONTEXT, columns="raw"), TRAIN[:60])
    except EmmError:
        return
    assert found.shape == (60, 1)


@given(data=st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=FIXTURES)
def test_any_change_of_a_lightgbm_file_leads_to_numbers_or_to_an_error(
    data: st.DataObject, lightgbm_text: str, tmp_path: Path
) -> None:
    place = data.draw(st.integers(0, len(lightgbm_text) - 1))
    letters = data.draw(st.text("0123456789-.e= \n[]:,infax", max_size=3))
    rest = lightgbm_text[place + data.draw(st.integers(0, 9)) :]
    score_or_refuse(tmp_path / "m", lightgbm_text[:place] + letters + rest)


@given(data=st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=FIXTURES)
def test_any_change_of_an_xgboost_file_leads_to_numbers_or_to_an_error(
    data: st.DataObject, xgboost_text: str, tmp_path: Path
) -> None:
    place = data.draw(st.integers(0, len(xgboost_text) - 1))
    parts = st.sampled_from(["", "1", "-", "9999999", "0", "null", "[]", "1e9", '""', "5,"])
    rest = xgboost_text[place + data.draw(st.integers(0, 2)) :]
    score_or_refuse(tmp_path / "m", xgboost_text[:place] + data.draw(parts) + rest)


def test_a_code_beyond_the_list_of_categories_is_damaged(xgboost_text: str, tmp_path: Path) -> None:
    model = json.loads(xgboost_text)
    booster = model["learner"]["gradient_booster"]["model"]
    booster["cats"]["enc"][2]["values"] = [7, 8]
    (tmp_path / "m").write_text(json.dumps(model))
    with pytest.raises(ModelFileError, match="a category that is missing in the list"):
        opened(tmp_path / "m", CONTEXT, columns="raw")


def test_rows_of_any_number_of_batches_have_the_same_output(
    lightgbm_text: str, tmp_path: Path
) -> None:
    (tmp_path / "m").write_text(lightgbm_text)
    model = opened(tmp_path / "m", CONTEXT, columns="raw")
    names = [each.name for each in model.inputs]
    whole = model.predict(iter([TRAIN.select(names)]))
    parts = model.predict(TRAIN.select(names).iter_slices(7))
    np.testing.assert_array_equal(parts, whole)


def test_a_table_without_rows_has_no_output(lightgbm_text: str, tmp_path: Path) -> None:
    (tmp_path / "m").write_text(lightgbm_text)
    model = opened(tmp_path / "m", CONTEXT, columns="raw")
    names = [each.name for each in model.inputs]
    assert model.predict(iter([TRAIN[:0].select(names)])).shape == (0, 1)
