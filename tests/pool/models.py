"""Trained models on raw columns of the generated rows, with their own predictions."""

from pathlib import Path

import lightgbm
import numpy as np
import polars as pl
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.neural_network import MLPClassifier

from tests.pool.census_project import raw_rows

NUMBERS = ["age", "weeks_worked"]
LABEL = pl.col("income") == "50000+."


def rows_and_label() -> tuple[pl.DataFrame, np.ndarray]:
    rows = raw_rows()
    return rows, rows.select(LABEL).to_series().to_numpy().astype(int)


def write_trees(file: Path, names: list[str] = NUMBERS) -> None:
    """LightGBM on two raw columns, which the model calls ``names``, and its reference."""
    rows, label = rows_and_label()
    numbers = rows.select(NUMBERS).to_numpy()
    data = lightgbm.Dataset(numbers, label, feature_name=names)
    settings = {"objective": "binary", "num_leaves": 4, "verbose": -1, "num_threads": 1}
    booster = lightgbm.train(settings, data, 8)
    booster.save_model(file)
    write_reference(file, rows, np.asarray(booster.predict(numbers)))


def write_network(file: Path, widths: tuple[int, ...] = (8, 8)) -> None:
    """scikit-learn's MLP on one matrix of two raw columns, and its reference."""
    rows, label = rows_and_label()
    numbers = rows.select(NUMBERS).to_numpy().astype(np.float32) / 50
    model = MLPClassifier(widths, max_iter=300, random_state=0, tol=1e-2).fit(numbers, label)
    inputs = [("scaled", FloatTensorType([None, 2]))]
    onnx = to_onnx(model, initial_types=inputs, options={"zipmap": False})
    file.write_bytes(onnx.SerializeToString())
    write_reference(file, rows, model.predict_proba(numbers)[:, 1])


def write_reference(file: Path, rows: pl.DataFrame, predictions: np.ndarray) -> None:
    """The first rows and their predictions, next to the model."""
    table = rows.select(NUMBERS).with_columns(prediction=pl.Series(predictions)).head(100)
    table.write_csv(file.with_name(f"{file.stem}.reference.csv"))
