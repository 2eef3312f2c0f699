"""Files of three versions of XGBoost, against what these versions themselves predict."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from emm.core.errors import ModelFileError
from emm.nn.inputs import Inputs
from tests.outside.raw_scoring import context_of_table, opened, scored

FOLDER = Path(__file__).parent / "fixtures" / "xgboost"
VERSIONS = ("1.7.6", "2.1.4", "3.0.5")
STATES = ("?", "Iowa", "Maine", "Ohio", "Texas", "Utah")  # in the order of pandas' codes
CASES = " ".join(f"WHEN '{name}' THEN {code}" for code, name in enumerate(STATES))
CODES = f"CASE state {CASES} END"


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    return pl.read_csv(FOLDER / "rows.csv", infer_schema_length=None)


def path(model: str, version: str) -> Path:
    (found,) = FOLDER.glob(f"{model}-{version}.*")
    return found


def margins(model: str, version: str) -> np.ndarray:
    table = pl.read_csv(FOLDER / f"predictions-{version}.csv")
    return table.select(f"^{model}(:.)?$").to_numpy()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("model", ["numbers", "dart", "stopped", "stopped-booster"])
def test_margins_are_those_of_the_version(model: str, version: str, rows: pl.DataFrame) -> None:
    scorer = opened(path(model, version), context_of_table(rows), columns="raw")
    np.testing.assert_allclose(scored(scorer, rows), margins(model, version), rtol=1e-6, atol=2e-6)


@pytest.mark.parametrize("version", VERSIONS)
def test_classes_are_those_of_the_version(version: str, rows: pl.DataFrame) -> None:
    context = context_of_table(rows, "classes", 3)
    scorer = opened(path("classes", version), context, columns="raw")
    expected = margins("classes", version)
    np.testing.assert_allclose(scored(scorer, rows), expected, rtol=1e-6, atol=2e-6)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("model", ["codes", "one-hot"])
def test_categories_given_as_codes_go_where_the_version_sends_them(
    model: str, version: str, rows: pl.DataFrame
) -> None:
    scorer = opened(path(model, version), context_of_table(rows), columns={"code": "code"})
    np.testing.assert_allclose(scored(scorer, rows), margins(model, version), rtol=1e-6, atol=2e-6)


@pytest.mark.parametrize("version", VERSIONS)
def test_codes_of_a_data_frame_are_given_by_an_expression(version: str, rows: pl.DataFrame) -> None:
    columns = {"state": CODES}
    scorer = opened(path("frame", version), context_of_table(rows), columns=columns)
    found = scored(scorer, rows, columns)
    np.testing.assert_allclose(found, margins("frame", version), rtol=1e-6, atol=2e-6)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_lost_list_of_categories_is_refused_on_raw_columns(
    version: str, rows: pl.DataFrame
) -> None:
    with pytest.raises(ModelFileError, match=r"'state' by categories, but doesn't hold the list"):
        opened(path("frame", version), context_of_table(rows), columns="raw")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_lost_list_of_categories_is_refused_on_encoded_columns(
    version: str, rows: pl.DataFrame
) -> None:
    context = context_of_table(rows, inputs=Inputs(1, (12,)), encoded=("age", "code"))
    with pytest.raises(ModelFileError, match=r"before 3\.1"):
        opened(path("codes", version), context, columns="encoded")


@pytest.mark.parametrize("version", VERSIONS)
def test_rounds_after_the_best_one_are_said_of_a_booster(version: str, rows: pl.DataFrame) -> None:
    booster = opened(path("stopped-booster", version), context_of_table(rows), columns="raw")
    assert (
        "training stopped at its best round, 4, but a Booster predicts with all" in booster.said[0]
    )
    classifier = opened(path("stopped", version), context_of_table(rows), columns="raw")
    assert not classifier.said
