"""References whose predictions are in a column called as the model's output."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from emm.core.errors import DataError
from emm.outside.reference import read_reference

ROWS = 60
KINDS = {"age": "number"}


def write(folder: Path, **columns: pl.Series) -> Path:
    path = folder / "golden.parquet"
    pl.DataFrame({"age": np.arange(ROWS) / 2, **columns}).write_parquet(path)
    return path


def read(path: Path, output: str | None, classes: tuple[str, ...] = ()) -> np.ndarray:
    return read_reference(path, ["age"], KINDS, classes, output).predictions  # type: ignore[arg-type]


def test_the_column_of_the_output_has_the_predictions(tmp_path: Path) -> None:
    values = np.linspace(0, 1, ROWS)
    path = write(tmp_path, probability_rich=pl.Series(values), logit_rich=pl.Series(values * 9))
    np.testing.assert_array_equal(read(path, "probability_rich"), values[:, None])


def test_of_several_classes_it_has_a_list_in_each_row(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((ROWS, 3)).astype(np.float32)
    path = write(tmp_path, p=pl.Series(values.tolist(), dtype=pl.List(pl.Float32)))
    np.testing.assert_array_equal(read(path, "p", ("a", "b", "c")), values.astype(float))


def test_lists_of_another_length_are_refused(tmp_path: Path) -> None:
    values = [[0.5, 0.5]] * (ROWS - 1) + [[1.0]]
    path = write(tmp_path, p=pl.Series(values, dtype=pl.List(pl.Float64)))
    with pytest.raises(DataError, match=r"'p' doesn't hold a list(.|\n)*2 numbers"):
        read(path, "p", ("a", "b"))


def test_a_column_called_prediction_comes_first(tmp_path: Path) -> None:
    path = write(tmp_path, prediction=pl.Series([0.5] * ROWS), p=pl.Series([0.1] * ROWS))
    assert set(read(path, "p").ravel()) == {0.5}


def test_without_either_the_usual_column_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column with the original's predictions"):
        read(write(tmp_path), "p")
