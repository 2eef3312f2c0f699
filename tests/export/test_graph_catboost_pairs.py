"""CatBoost's statistics of several columns together in ONNX, against the package."""

import json
from pathlib import Path
from typing import Any

import catboost
import numpy as np
import pandas as pd
import polars as pl
import pytest

from emm.core.errors import ModelFileError
from emm.export.graph_catboost import add_catboost
from emm.outside.catboost import CatBoostScorer
from emm.outside.catboost_file import About, Statistic, read_json
from tests.export.members_in_graph import in_graph
from tests.outside.raw_scoring import context_of_table, opened
from tests.outside.test_matrix_catboost import CATBOOST

pytest.importorskip("onnxruntime")

NAMES = ("a", "b", "c")


def table(rows: int, seed: int, values: int = 6) -> pl.DataFrame:
    draw = np.random.default_rng(seed)
    found: dict[str, Any] = {
        name: [f"{name}{each}" for each in draw.integers(0, size, rows)]
        for name, size in zip(NAMES, (values, values, 2), strict=True)
    }
    return pl.DataFrame({**found, "x": draw.normal(size=rows)})


def as_pandas(rows: pl.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({name: rows[name].to_numpy() for name in rows.columns})


TRAIN = table(3_000, 0)
TEXTS = {name: TRAIN[name].unique() for name in NAMES}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A model of a label that only all columns together tell."""
    folder = tmp_path_factory.mktemp("pairs")
    places = [TRAIN[name].str.slice(1).cast(pl.Int64).to_numpy() for name in NAMES]
    good = np.random.default_rng(1).integers(0, 2, (6, 6, 2, 2))
    label = good[*places, (TRAIN["x"].to_numpy() > 0).astype(int)]
    settings = CATBOOST | {"iterations": 30, "depth": 5, "max_ctr_complexity": 4}
    pool = catboost.Pool(as_pandas(TRAIN), label, cat_features=[*NAMES])
    model = catboost.CatBoostClassifier(**settings, one_hot_max_size=2, model_size_reg=0).fit(pool)
    model.save_model(folder / "m.cbm")
    model.save_model(folder / "m.json", format="json", pool=pool)
    return model, folder


def abouts(folder: Path) -> list[About]:
    trees = read_json(folder / "m.json", json.loads((folder / "m.json").read_bytes()))
    return [each.about for each in trees.columns if isinstance(each, Statistic)]


def test_the_model_has_statistics_of_every_kind_of_combination(saved: tuple[Any, Path]) -> None:
    found = abouts(saved[1])
    assert any(len(each.categories) > 1 for each in found)
    assert any(each.above for each in found)
    assert any(each.equal for each in found)


def test_equal_bits(saved: tuple[Any, Path]) -> None:
    model, folder = saved
    missing = pl.Series(np.arange(5_000) % 9 == 0)
    rows = table(5_000, 3, values=8)
    rows = rows.with_columns(x=pl.Series(rows["x"]).set(missing, None))
    found = found_in_graph(folder, rows, TEXTS)
    expected = model.predict(as_pandas(rows), prediction_type="RawFormulaVal")
    np.testing.assert_array_equal(found[:, 0], expected)


def found_in_graph(folder: Path, rows: pl.DataFrame, texts: dict[str, pl.Series]) -> np.ndarray:
    scorer = opened(folder / "m.cbm", context_of_table(TRAIN), columns="raw")
    assert isinstance(scorer, CatBoostScorer)
    names = {each.name: each.name for each in scorer.inputs}
    return in_graph(
        TRAIN, names, lambda nodes, member: add_catboost(nodes, scorer, member, texts)[0], rows
    )


def test_a_category_that_is_only_compared_is_missed_too(saved: tuple[Any, Path]) -> None:
    texts = TEXTS | {"c": pl.Series(["other"])}
    with pytest.raises(ModelFileError, match="knows categories of 'c'"):
        found_in_graph(saved[1], TRAIN, texts)
