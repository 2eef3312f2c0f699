"""Processed data with raw columns, and models that scikit-learn trained on the raw columns."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from emm.data.custom.roles import CustomColumns
from emm.data.custom.tasks import CustomTask
from tests.data.custom.custom_files import describe, preprocessed
from tests.outside.people import NUMBERS, TEXTS, as_pandas, people

ROWS = 3_000
FEATURES = (*NUMBERS, *TEXTS)
TASKS = {
    "rich": CustomTask("rich"),
    "income": CustomTask("income", kind="regression"),
    "size": CustomTask("size", kind="classes"),
}


def raw_table() -> pl.DataFrame:
    """People with a binary label, a number of their own units, and one of three classes."""
    table = people(ROWS)
    noise = np.random.default_rng(7).normal(size=ROWS)
    size = pl.col("weeks") + pl.Series(noise) * 10
    return table.with_columns(
        income=(pl.col("age") * 100 + pl.col("gains") + pl.Series(noise) * 500).round(2),
        size=pl.when(size < 15)
        .then(pl.lit("small"))
        .when(size < 35)
        .then(pl.lit("medium"))
        .otherwise(pl.lit("tall")),
    )


def processed_shop(folder: Path, raw: tuple[str, ...] = FEATURES) -> Path:
    """Preprocess the table; its splits keep the columns ``raw``."""
    raw_table().write_parquet(folder / "people.parquet")
    columns = CustomColumns(dense=NUMBERS, sparse=TEXTS, carried=raw, raw=raw)
    dataset = describe(folder, columns=columns, tasks=TASKS)
    return preprocessed(dataset, folder, folder, raw_columns=raw)


def pipeline(model: Any, label: str, rows: int = 1_000) -> Any:
    """A scikit-learn pipeline with its own encoders, fitted on the first raw rows."""
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    encoders = make_column_transformer(
        (StandardScaler(), list(NUMBERS)),
        (OneHotEncoder(handle_unknown="ignore"), list(TEXTS)),
    )
    table = raw_table().head(rows)
    return make_pipeline(encoders, model).fit(as_pandas(table), table[label].to_numpy())


def export(fitted: Any, path: Path) -> Path:
    """Write a pipeline as ONNX, with one input for each raw column."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    types = [(name, FloatTensorType([None, 1])) for name in NUMBERS]
    types += [(name, StringTensorType([None, 1])) for name in TEXTS]
    is_classifier = hasattr(fitted, "predict_proba")
    options = {"zipmap": False} if is_classifier else None
    proto = to_onnx(fitted, initial_types=types, options=options)
    path.write_bytes(proto.SerializeToString())
    return path


def write_reference(path: Path, predictions: Any, names: tuple[str, ...] = ("prediction",)) -> Path:
    """The last raw rows with the original's ``predictions`` [N, C]."""
    rows = raw_table().select(FEATURES).tail(len(predictions))
    values = np.asarray(predictions).reshape(len(rows), len(names))
    columns = [pl.Series(name, values[:, at]) for at, name in enumerate(names)]
    rows.with_columns(columns).write_parquet(path)
    return path
