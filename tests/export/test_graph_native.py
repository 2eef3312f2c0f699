"""Trees of LightGBM and XGBoost on raw columns in ONNX, on rows that are hard for them."""

from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import polars as pl
import pytest
import xgboost

from emm.core.errors import ModelFileError
from emm.export.graph_native import add_native_trees
from emm.outside.trees import RawScorer
from tests.export.members_in_graph import in_graph
from tests.outside.raw_scoring import context_of_table, opened, scored
from tests.outside.tree_cases import (
    ALL,
    CLASSES,
    LABEL,
    LIGHTGBM,
    LISTS,
    OWN,
    QUIET,
    SETS,
    TRAIN,
    XGBOOST,
    thresholds,
)
from tests.outside.tree_tables import frame, hard_table

pytest.importorskip("onnxruntime")


def found_in_graph(scorer: RawScorer, rows: pl.DataFrame) -> np.ndarray:
    """The logits of rows by onnxruntime."""
    names = {each.name: each.name for each in scorer.inputs}
    return in_graph(
        TRAIN, names, lambda nodes, member: add_native_trees(nodes, scorer.trees, member), rows
    )


def check(path: Path, **context: Any) -> None:
    scorer = opened(path, context_of_table(TRAIN, **context), columns="raw")
    assert isinstance(scorer, RawScorer)
    rows = hard_table(thresholds(scorer))
    np.testing.assert_allclose(
        found_in_graph(scorer, rows), scored(scorer, rows), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("lists", [OWN, LISTS], ids=["own", "lists"])
@pytest.mark.parametrize("changes", [{}, {"use_missing": False}])
def test_lightgbm_with_categories(
    tmp_path: Path, lists: dict[str, list[Any]], changes: dict[str, Any]
) -> None:
    data = lightgbm.Dataset(frame(TRAIN, ALL, lists), LABEL, params=QUIET | changes)
    lightgbm.train(LIGHTGBM | SETS | changes, data, 15).save_model(tmp_path / "m.txt")
    check(tmp_path / "m.txt")


def test_trees_whose_zeros_are_missing_are_refused(tmp_path: Path) -> None:
    changes = {"zero_as_missing": True}
    data = lightgbm.Dataset(frame(TRAIN, ALL, OWN), LABEL, params=QUIET | changes)
    lightgbm.train(LIGHTGBM | changes, data, 3).save_model(tmp_path / "m.txt")
    with pytest.raises(ModelFileError, match="zeros are missing values"):
        check(tmp_path / "m.txt")


def test_lightgbm_of_several_classes(tmp_path: Path) -> None:
    data = lightgbm.Dataset(frame(TRAIN, ALL, OWN), CLASSES, params=QUIET)
    of_classes = LIGHTGBM | SETS | {"objective": "multiclass", "num_class": 3}
    lightgbm.train(of_classes, data, 6).save_model(tmp_path / "m.txt")
    check(tmp_path / "m.txt", kind="classes", outputs=3, classes=("a", "b", "c"))


@pytest.mark.parametrize("most", [1, 64], ids=["single categories", "sets"])
def test_xgboost_with_categories(tmp_path: Path, most: int) -> None:
    data = xgboost.DMatrix(frame(TRAIN, ALL, LISTS), LABEL, enable_categorical=True, nthread=1)
    model = xgboost.train(XGBOOST | {"max_cat_to_onehot": most}, data, 15)
    model.save_model(tmp_path / "m.json")
    check(tmp_path / "m.json")
