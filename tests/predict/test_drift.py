"""How new rows differ from train's: against counts by hand, and warnings that mean something."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from emm.api.opening import open_model
from emm.data.prepare.about_train import train_bins
from emm.data.tables.schema import load_schema
from emm.predict.drift import drift_from, drift_line, population_stability, write_drift
from emm.predict.encoder import open_encoder
from emm.predict.predictor import Predictor
from tests.predict.projects import inside
from tests.predict.shops import NAME, TRAIN, visits


@pytest.fixture(scope="module")
def predictor(shop: Path) -> Predictor:
    with inside(shop):
        return Predictor(open_model(f"{NAME}/tiny/tm-1").model)


def processed(shop: Path) -> Path:
    return shop / "data/processed" / NAME


def columns_of(predictor: Predictor, rows: pl.DataFrame, folder: Path) -> dict[str, dict]:
    """The drift of each column in the file."""
    drift = drift_from(predictor.encoder)
    for part in (rows[:100], rows[100:]):
        encoded = predictor.encode(part)
        drift.add(encoded.features, encoded.missing)
    write_drift(drift, folder / "drift.json")
    found = json.loads((folder / "drift.json").read_text())
    assert found["rows"] == len(rows)
    return {each["name"]: each for each in found["columns"]}


def test_the_index_is_that_of_its_definition() -> None:
    found, expected = np.array([0.2, 0.5, 0.3]), np.array([0.3, 0.3, 0.4])
    by_hand = -0.1 * np.log(2 / 3) + 0.2 * np.log(5 / 3) - 0.1 * np.log(3 / 4)
    assert population_stability(found, expected) == pytest.approx(by_hand)
    assert population_stability(expected, expected) == 0


def test_the_bins_hold_all_rows_of_train(shop: Path, predictor: Predictor) -> None:
    schema, train = load_schema(processed(shop) / "schema.json"), visits()[:TRAIN]
    bins = predictor.encoder.inputs.bins
    assert bins == train_bins(processed(shop) / "train.parquet", schema)
    assert {*bins} == {*schema.dense_names}
    for column in schema.dense:
        assert sum(bins[column.name].shares) == pytest.approx(1, abs=1e-4)
        expected = column.missing / schema.splits["train"].rows
        assert bins[column.name].shares[-1] == pytest.approx(expected, abs=1e-6)
    assert (train["views"] == "-999").mean() == pytest.approx(bins["views"].shares[-1], abs=0.02)


def test_rows_of_the_same_kind_do_not_drift(predictor: Predictor, tmp_path: Path) -> None:
    found = columns_of(predictor, visits()[:TRAIN], tmp_path)
    assert not [each["name"] for each in found.values() if each["changed"]]
    assert max(each["psi"] for each in found.values()) < 0.1


def test_a_column_in_other_units_is_reported(predictor: Predictor, tmp_path: Path) -> None:
    rows = visits()[:TRAIN].with_columns(price=pl.lit("0.5"))
    found = columns_of(predictor, rows, tmp_path)
    assert [name for name, each in found.items() if each["changed"]] == ["price"]
    assert found["price"]["psi"] > 1


def test_unknown_and_missing_values_are_told_apart(predictor: Predictor, tmp_path: Path) -> None:
    flags = pl.Series("flag", ["maybe", "", "true", "False"] * (TRAIN // 4))
    found = columns_of(predictor, visits()[:TRAIN].with_columns(flags), tmp_path)
    assert (found["flag"]["unknown"], found["flag"]["missing"]) == (0.25, 0.25)
    assert found["price"]["unknown"] is None


def test_a_few_rows_are_no_drift(predictor: Predictor, tmp_path: Path) -> None:
    found = columns_of(predictor, visits()[:3], tmp_path)
    assert found["price"]["psi"] > 0.2
    assert not [each["name"] for each in found.values() if each["changed"]]


def test_the_line_names_the_worst_columns(predictor: Predictor) -> None:
    drift = drift_from(predictor.encoder)
    rows = visits()[:TRAIN].with_columns(flag=pl.lit("maybe"), price=pl.lit("0.5"))
    encoded = predictor.encode(rows)
    drift.add(encoded.features, encoded.missing)
    line = drift_line(drift.columns())
    assert line.startswith("warning: 2 of 15 columns differ from train's, with a PSI of 0.2")
    assert "flag" in line
    assert "(100% unknown values)" in line


def test_data_processed_before_is_compared_with_its_train(shop: Path) -> None:
    encoder = open_encoder(processed(shop))
    known = encoder.inputs.bins
    object.__setattr__(encoder.inputs, "bins", {})
    assert drift_from(encoder).bins == {}
    assert drift_from(encoder, processed(shop)).bins == known
