"""Models that are trained on one half of the raw rows predict the other as `evaluate` does."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from emm.api.opening import open_model
from emm.predict.run import predict_files
from tests.predict.projects import evaluated, inside
from tests.predict.shops import DATA, MODELS, NAME, TRAIN, visits

LOGITS = ["bought", "spent", "size:S", "size:M", "size:L"]


@pytest.mark.parametrize("model", MODELS)
def test_the_logits_of_the_raw_text_are_those_of_evaluate(
    shop: Path, tmp_path: Path, model: str
) -> None:
    with inside(shop):
        opened = open_model(f"{NAME}/tiny/{model}")
        second = Path("data/raw", NAME, DATA["custom"]["test"])
        written = predict_files(opened.model, [second], tmp_path / "out.parquet", as_logits=True)
    found = pl.read_parquet(tmp_path / "out.parquet")
    assert (written.rows, written.refused) == (len(visits()) - TRAIN, 0)
    assert found["session"].to_list() == visits()["session"][TRAIN:].to_list()
    expected = evaluated(shop, NAME, model)
    np.testing.assert_array_equal(found.select(LOGITS).to_numpy(), expected)


def test_many_units_are_one_output_in_order(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emm.predict.run.UNIT", 37)
    with inside(shop):
        opened = open_model(f"{NAME}/tiny/emm")
        second = Path("data/raw", NAME, DATA["custom"]["test"])
        predict_files(opened.model, [second], tmp_path / "out.csv", as_logits=True)
    found = pl.read_csv(tmp_path / "out.csv", schema_overrides=dict.fromkeys(LOGITS, pl.Float32))
    assert found["session"].to_list() == visits()["session"][TRAIN:].cast(pl.Int64).to_list()
    expected = evaluated(shop, NAME, "emm")
    np.testing.assert_allclose(found.select(LOGITS).to_numpy(), expected, rtol=1e-5, atol=1e-5)
