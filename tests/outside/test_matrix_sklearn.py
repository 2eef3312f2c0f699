"""Real pipelines of scikit-learn, exported by skl2onnx, against their own predictions."""

import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from emm.core.errors import DataError
from emm.outside.onnx import CutOnnx, OnnxModel, cut, read_onnx
from emm.outside.scorer import Opaque
from tests.outside.fused_onnx import assert_fusible
from tests.outside.people import NUMBERS, TEXTS, as_pandas, hard_rows, people

MLP = {"hidden_layer_sizes": (8, 8), "max_iter": 30, "random_state": 0}

CLASSIFIERS: dict[str, Callable[[], Any]] = {
    "LogisticRegression": lambda: LogisticRegression(max_iter=500),
    "RandomForest": lambda: RandomForestClassifier(20, max_depth=5, random_state=0),
    "GradientBoosting": lambda: GradientBoostingClassifier(n_estimators=20, random_state=0),
    "ExtraTrees": lambda: ExtraTreesClassifier(10, max_depth=5, random_state=0),
    "MLP relu": lambda: MLPClassifier(**MLP),
    "MLP tanh": lambda: MLPClassifier(**{**MLP, "activation": "tanh"}),
    "MLP logistic": lambda: MLPClassifier(**{**MLP, "activation": "logistic"}),
}
NETWORKS = [name for name in CLASSIFIERS if name.startswith("MLP")]


def encoders(scale: bool) -> ColumnTransformer:
    """Of missing numbers, of texts, and, for networks and linear models, of scales."""
    numbers = [SimpleImputer(strategy="median"), *([StandardScaler()] if scale else [])]
    texts = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return ColumnTransformer(
        [("numbers", make_pipeline(*numbers), [*NUMBERS]), ("texts", texts, [*TEXTS])]
    )


def fitted(model: Any, label: str = "rich", *, scale: bool = True) -> Pipeline:
    table = people()
    pipeline = Pipeline([("encoders", encoders(scale)), ("model", model)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # thirty rounds don't converge
        return pipeline.fit(as_pandas(table), table[label].to_numpy())


def exported(pipeline: Any, path: Path, **options: Any) -> OnnxModel:
    """Written as ONNX as its users do, each column an input of its own, and read."""
    types: list[Any] = [(name, FloatTensorType([None, 1])) for name in NUMBERS]
    types += [(name, StringTensorType([None, 1])) for name in TEXTS]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = to_onnx(pipeline, initial_types=types, **options)
    path.write_bytes(model.SerializeToString())
    return read_onnx(path)


@cache
def trained(name: str) -> Pipeline:
    return fitted(CLASSIFIERS[name](), scale=name.startswith(("MLP", "Logistic")))


def thresholds_of(pipeline: Pipeline) -> list[float]:
    """The thresholds of the trees of a forest or of gradient boosting."""
    trees = np.ravel(getattr(pipeline[-1], "estimators_", []))
    found = [tree.tree_.threshold for tree in trees if hasattr(tree, "tree_")]
    return np.concatenate(found).tolist() if found else []


def original(pipeline: Pipeline, rows: Any) -> np.ndarray:
    """Its own probabilities, or values, of rows that a user has in a pandas table."""
    final = getattr(pipeline, "predict_proba", None) or pipeline.predict
    return final(as_pandas(rows))


@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers_join_with_their_own_predictions(
    name: str, zipmap: bool, tmp_path: Path
) -> None:
    pipeline = trained(name)
    options = {} if zipmap else {"options": {"zipmap": False}}
    model = exported(pipeline, tmp_path / "model.onnx", **options)
    rows = hard_rows(thresholds_of(pipeline))
    expected = original(pipeline, rows)[:, 1:]
    assert (model.width, model.gives) == (1, "probability")
    np.testing.assert_allclose(model.predict([rows]), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_are_cut_behind_their_encoders(name: str, tmp_path: Path) -> None:
    pipeline = trained(name)
    found = cut(exported(pipeline, tmp_path / "model.onnx"))
    assert isinstance(found, CutOnnx)
    activation = {"relu": "ReLU", "tanh": "Tanh", "logistic": "Sigmoid"}[name.split()[1]]
    kinds = [layer.structure.kind for layer in found.layers]
    assert kinds == ["Front", "Linear", activation, "Linear", activation, "Linear"]
    rows = hard_rows()
    expected = original(pipeline, rows)[:, 1:]
    logits = found.build()(torch.from_numpy(found.scored_input([rows])))
    assert found.description["width"] == 8
    np.testing.assert_allclose(logits.sigmoid().detach(), expected, rtol=0, atol=1e-5)


def test_encoders_that_refuse_unseen_categories_are_cut_too(tmp_path: Path) -> None:
    """All texts in one matrix; the rows with which the network is looked at have known ones."""
    table = people()
    x = table.select(TEXTS).to_numpy().astype(object)
    pipeline = make_pipeline(OneHotEncoder(), MLPClassifier(**MLP))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline.fit(x, table["rich"].to_numpy())
        found = to_onnx(pipeline, initial_types=[("x", StringTensorType([None, 2]))])
    (tmp_path / "model.onnx").write_bytes(found.SerializeToString())
    model = read_onnx(tmp_path / "model.onnx")
    rows = pl.DataFrame({f"x[{place}]": table[name] for place, name in enumerate(TEXTS)})
    expected = pipeline.predict_proba(x)[:, 1:]
    np.testing.assert_allclose(model.predict([rows]), expected, rtol=0, atol=1e-5)
    assert isinstance(cut(model), CutOnnx)
    with pytest.raises(DataError, match="refuses these rows"):
        model.predict([rows.with_columns(pl.lit("unseen").alias("x[0]"))])


def test_a_network_is_fused_with_the_pipelines_own(tmp_path: Path) -> None:
    pipeline, rows = trained("MLP relu"), hard_rows(rows=200)
    rows = rows.with_columns(pl.col(NUMBERS).clip(upper_bound=1_000))
    parts = cut(exported(pipeline, tmp_path / "model.onnx"))
    assert isinstance(parts, CutOnnx)
    expected = torch.logit(torch.from_numpy(original(pipeline, rows)[:, 1:])).float()
    assert_fusible(parts, torch.from_numpy(parts.scored_input([rows])), expected)


@pytest.mark.parametrize(
    ("name", "operator"),
    [("LogisticRegression", "LinearClassifier"), ("RandomForest", "TreeEnsembleClassifier")],
)
def test_what_is_no_network_is_opaque(name: str, operator: str, tmp_path: Path) -> None:
    found = cut(exported(trained(name), tmp_path / "model.onnx"))
    assert isinstance(found, Opaque)
    assert operator in found.reason


def test_a_network_of_several_classes_gives_a_logit_for_each(tmp_path: Path) -> None:
    pipeline = fitted(MLPClassifier(**MLP), label="job")
    model = exported(pipeline, tmp_path / "model.onnx")
    rows = hard_rows()
    expected = original(pipeline, rows)
    assert model.classes == tuple(pipeline.classes_)
    np.testing.assert_allclose(model.predict([rows]), expected, rtol=0, atol=1e-5)
    found = cut(model)
    assert isinstance(found, CutOnnx)
    logits = found.build()(torch.from_numpy(found.scored_input([rows])))
    np.testing.assert_allclose(logits.softmax(1).detach(), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("final", [Ridge(), MLPRegressor(**MLP)], ids=["Ridge", "MLP"])
def test_regressions_give_their_values(final: Any, tmp_path: Path) -> None:
    pipeline = fitted(final, label="weeks")
    model = exported(pipeline, tmp_path / "model.onnx")
    rows = hard_rows()
    expected = original(pipeline, rows).reshape(-1, 1)
    assert model.gives is None
    np.testing.assert_allclose(model.predict([rows]), expected, rtol=1e-5, atol=1e-4)


def test_texts_may_be_ordered_codes(tmp_path: Path) -> None:
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    parts = [("numbers", SimpleImputer(), [*NUMBERS]), ("texts", codes, [*TEXTS])]
    table = people()
    model = RandomForestClassifier(10, max_depth=4, random_state=0)
    pipeline = Pipeline([("encoders", ColumnTransformer(parts)), ("model", model)])
    pipeline.fit(as_pandas(table), table["rich"].to_numpy())
    found = exported(pipeline, tmp_path / "model.onnx")
    rows = hard_rows()
    expected = original(pipeline, rows)[:, 1:]
    np.testing.assert_allclose(found.predict([rows]), expected, rtol=0, atol=1e-5)
