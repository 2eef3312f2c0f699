"""Real models of LightGBM and XGBoost on encoded columns, against their own predictions."""

from pathlib import Path

import lightgbm
import numpy as np
import polars as pl
import pytest
import xgboost

from emm.nn.inputs import Inputs
from emm.outside.scorer import Torch
from tests.outside.raw_scoring import context_of_table, opened, scored
from tests.outside.tree_cases import LIGHTGBM, QUIET, SETS, XGBOOST, Array

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
