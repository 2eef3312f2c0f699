"""Real boosted trees, converted to ONNX by their converters, against their own predictions."""

import warnings
from functools import cache
from pathlib import Path
from typing import Any

import catboost
import lightgbm
import numpy as np
import onnxmltools
import polars as pl
import pytest
import xgboost
from onnxmltools.convert.common.data_types import FloatTensorType

from emm.core.errors import ModelFileError
from emm.outside.compare import Limit, compare
from emm.outside.onnx import OnnxModel, cut, read_onnx
from emm.outside.reference import Reference
from emm.outside.scorer import Opaque
from tests.outside.people import NUMBERS, hard_rows, people

KINDS = ["LightGBM", "LightGBM booster", "XGBoost", "CatBoost"]
ROUNDS = 20


def numbers_of(rows: pl.DataFrame) -> np.ndarray:
    return np.stack([rows[name].to_numpy() for name in NUMBERS], 1).astype(np.float32)


@cache
def trained(kind: str, label: str) -> Any:
    """A classifier or, if the label has many values, a regressor."""
    table = people()
    x, y = numbers_of(table)[:, :2], table[label].to_numpy()
    x = np.where(np.random.default_rng(3).random(x.shape) < 0.1, np.nan, x).astype(np.float32)
    classes = label == "rich"
    if kind.startswith("LightGBM"):
        found = lightgbm.LGBMClassifier if classes else lightgbm.LGBMRegressor
        model = found(n_estimators=ROUNDS, verbosity=-1, n_jobs=1).fit(x, y)
        return model.booster_ if "booster" in kind else model
    if kind == "XGBoost":
        found = xgboost.XGBClassifier if classes else xgboost.XGBRegressor
        return found(n_estimators=ROUNDS, n_jobs=1).fit(x, y)
    found = catboost.CatBoostClassifier if classes else catboost.CatBoostRegressor
    quiet = {"verbose": False, "thread_count": 1, "allow_writing_files": False}
    return found(iterations=ROUNDS, **quiet).fit(x, y)


def exported(kind: str, model: Any, path: Path) -> OnnxModel:
    """Converted as its users do, and read."""
    types = [("features", FloatTensorType([None, 2]))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "CatBoost":
            model.save_model(str(path), format="onnx")
        elif kind == "XGBoost":
            found = onnxmltools.convert_xgboost(model, initial_types=types)
            path.write_bytes(found.SerializeToString())
        else:
            found = onnxmltools.convert_lightgbm(model, initial_types=types)
            path.write_bytes(found.SerializeToString())
    return read_onnx(path)


def thresholds_of(kind: str, model: Any) -> list[float]:
    """Thresholds of its trees, in double precision if it has them."""
    if kind.startswith("LightGBM"):
        booster = model if "booster" in kind else model.booster_
        return booster.trees_to_dataframe()["threshold"].dropna().tolist()
    if kind == "XGBoost":
        return model.get_booster().trees_to_dataframe()["Split"].dropna().tolist()
    return [each for borders in model.get_borders().values() for each in borders]


def original(model: Any, x: np.ndarray) -> np.ndarray:
    """Its probabilities of the second class, or its values: [N, 1]."""
    if isinstance(model, lightgbm.Booster) or not hasattr(model, "predict_proba"):
        return np.asarray(model.predict(x)).reshape(-1, 1)
    return model.predict_proba(x)[:, 1:]


def columns(x: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame({f"features[{place}]": x[:, place].astype(float) for place in range(2)})


def away(x: np.ndarray, thresholds: list[float]) -> np.ndarray:
    """The rows without a value that a threshold becomes in single precision.

    The converter of LightGBM rounds its thresholds, which are double: such a value may change
    sides.
    """
    return x[~np.isin(x, np.float32(thresholds)).any(axis=1)]


@pytest.mark.parametrize("kind", KINDS)
def test_converted_trees_join_with_their_own_predictions(kind: str, tmp_path: Path) -> None:
    trees = trained(kind, "rich")
    model, thresholds = exported(kind, trees, tmp_path / "m.onnx"), thresholds_of(kind, trees)
    x = numbers_of(hard_rows(thresholds))[:, :2]
    x = away(x, thresholds) if kind.startswith("LightGBM") else x
    assert (model.gives, model.width) == ("probability", 1)
    assert len(x) > 3_000
    found = model.predict([columns(x)])
    np.testing.assert_allclose(found, original(trees, x), rtol=0, atol=1e-5)


def test_rows_at_lightgbms_rounded_thresholds_refuse_its_conversion(tmp_path: Path) -> None:
    trees = trained("LightGBM", "rich")
    model = exported("LightGBM", trees, tmp_path / "model.onnx")
    x = numbers_of(hard_rows(thresholds_of("LightGBM", trees)))[:, :2]
    rows = columns(x)
    reference = Reference(tmp_path / "reference.csv", rows, original(trees, x))
    with pytest.raises(ModelFileError, match="doesn't predict here what its original predicts"):
        compare("m", model.predict([rows]), "probability", reference, Limit("binary", 1e-5), rows)


@pytest.mark.parametrize("kind", KINDS)
def test_converted_trees_are_opaque(kind: str, tmp_path: Path) -> None:
    found = cut(exported(kind, trained(kind, "rich"), tmp_path / "model.onnx"))
    assert isinstance(found, Opaque)
    assert "TreeEnsemble" in found.reason


@pytest.mark.parametrize("kind", ["LightGBM", "XGBoost", "CatBoost"])
def test_converted_regressions_give_their_values(kind: str, tmp_path: Path) -> None:
    trees = trained(kind, "weeks")
    model = exported(kind, trees, tmp_path / "model.onnx")
    x = away(numbers_of(hard_rows())[:, :2], thresholds_of(kind, trees))
    assert model.gives is None
    found = model.predict([columns(x)])
    np.testing.assert_allclose(found, original(trees, x), rtol=1e-5, atol=1e-4)
