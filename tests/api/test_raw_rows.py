"""`emm.load` without a dataset: predictions for frames of raw rows."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

import emm
from emm.core.errors import DataError, ParamsError
from tests.predict.projects import evaluated, inside
from tests.predict.shops import NAME, TRAIN, build_shop, visits

ROW = f"{NAME}/tiny/mmoe"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_shop(tmp_path_factory.mktemp("loaded"), ("mmoe",))


@pytest.fixture(scope="module")
def model(shop: Path) -> Iterator[emm.Predictor]:
    with inside(shop):
        yield emm.load(ROW)


def test_a_polars_frame(shop: Path, model: emm.Predictor) -> None:
    rows = visits()[TRAIN:]
    found = model.predict(rows)
    assert found.columns == ["bought", "spent", "size:S", "size:M", "size:L"]
    logits = evaluated(shop, NAME, "mmoe")
    np.testing.assert_allclose(found["bought"], 1 / (1 + np.exp(-logits[:, 0])), rtol=1e-6)
    np.testing.assert_array_equal(model.logits(rows).to_numpy(), logits)
    assert found.equals(model.predict(rows.lazy()))


def test_a_pandas_frame_with_its_own_types(model: emm.Predictor) -> None:
    rows = visits()[TRAIN:]
    columns = {
        name: rows[name].to_list() for name in rows.columns if name not in ("views", "user", "flag")
    }
    views = rows["views"].cast(pl.Float64).replace(-999.0, None)
    frame = pd.DataFrame(
        {
            **columns,
            "views": views.to_numpy(),
            "user": rows["user"].cast(pl.Int64).to_numpy(),
            "flag": pd.Categorical(rows["flag"].to_list()),
        },
        index=np.arange(len(rows))[::-1],
    )
    assert model.predict(frame).equals(model.predict(rows))


def test_pandas_missing_values_are_missing(model: emm.Predictor) -> None:
    rows = visits()[TRAIN : TRAIN + 3].with_columns(note=pl.lit(""), genres=pl.lit(""))
    frame = pd.DataFrame({name: rows[name].to_list() for name in rows.columns})
    frame["note"] = [None, float("nan"), pd.NA]
    frame["genres"] = pd.Series([None, pd.NA, float("nan")], dtype=object)
    assert model.predict(frame).equals(model.predict(rows))


def test_rows_are_predicted_one_by_one_as_together(model: emm.Predictor) -> None:
    rows = visits()[TRAIN : TRAIN + 20]
    singly = pl.concat([model.predict(row) for row in rows.iter_slices(1)])
    together = model.predict(rows)
    np.testing.assert_allclose(singly.to_numpy(), together.to_numpy(), rtol=1e-5, atol=1e-7)


def test_a_row_that_cannot_be_used_has_nulls(
    model: emm.Predictor, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = visits()[:3].with_columns(price=pl.Series(["1", "cheap", "2"]))
    found = model.predict(rows)
    assert found["bought"].is_null().to_list() == [False, True, False]
    assert "1 of 3 rows can't be used, such as: the column 'price' isn't a number" in (
        capsys.readouterr().err
    )


def test_no_rows_have_no_predictions(model: emm.Predictor) -> None:
    found = model.predict(visits()[:0])
    assert found.shape == (0, 5)


def test_what_is_read_is_known(model: emm.Predictor) -> None:
    assert model.tasks == ("bought", "spent", "size")
    assert {*model.columns} == {*visits().columns} - {"session", "paid", "shirt"}


def test_a_missing_column_is_an_error(model: emm.Predictor) -> None:
    for rows in (visits().drop("zip"), pd.DataFrame({"zipp": ["1"]})):
        with pytest.raises(ParamsError, match="there is no column"):
            model.predict(rows)


def test_other_rows_than_a_frame_are_an_error(model: emm.Predictor) -> None:
    with pytest.raises(DataError, match="the rows are no data frame"):
        model.predict([{"zip": "1"}])
