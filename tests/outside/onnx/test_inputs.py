from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from onnx import TensorProto, helper

from emm.core.errors import DataError, ModelFileError
from emm.outside.onnx import read_onnx
from emm.outside.onnx.inputs import OnnxInput
from tests.outside.onnx.single import model_of, save

TEXT = OnnxInput("job", "text", 1, "object")
NUMBER = OnnxInput("age", "number", 1, "float32")
INTEGER = OnnxInput("weeks", "integer", 1, "int64")


def test_missing_numbers_are_nan_and_missing_texts_empty() -> None:
    rows = pl.DataFrame({"age": [1.5, None], "job": ["nurse", None]})
    np.testing.assert_array_equal(NUMBER.feed(rows), np.array([[1.5], [np.nan]], np.float32))
    assert TEXT.feed(rows).tolist() == [["nurse"], [""]]


def test_a_matrix_reads_its_columns_in_order() -> None:
    matrix = OnnxInput("x", "number", 2, "float64")
    rows = pl.DataFrame({"x[1]": [3, 4], "x[0]": [1.0, 2.0]})
    assert matrix.columns == ("x[0]", "x[1]")
    assert matrix.feed(rows).tolist() == [[1, 3], [2, 4]]


def test_a_flat_input_has_one_dimension() -> None:
    flat = OnnxInput("age", "number", 1, "float32", flat=True)
    assert flat.feed(pl.DataFrame({"age": [1.0, 2.0]})).shape == (2,)


@pytest.mark.parametrize(
    ("model_input", "values", "words"),
    [
        (TEXT, [1.0], "text"),
        (NUMBER, ["1"], "numbers"),
        (INTEGER, [1, None], "1 of them missing"),
        (INTEGER, [1.0, float("nan")], "without missing values"),
        (INTEGER, [1.5], "whole numbers"),
        (OnnxInput("weeks", "integer", 1, "int8"), [300], "int8"),
    ],
)
def test_what_an_input_cant_hold_is_refused(
    model_input: OnnxInput, values: list[Any], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        model_input.feed(pl.DataFrame({model_input.name: values}))


def test_whole_numbers_of_any_type_are_integers() -> None:
    assert INTEGER.feed(pl.DataFrame({"weeks": [3.0, 4.0]})).tolist() == [[3], [4]]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ((TensorProto.FLOAT, [1, 4]), "fixed number of rows"),
        ((TensorProto.FLOAT, ["rows", "columns"]), "known number of columns"),
        ((TensorProto.FLOAT, ["rows", 3, 4]), "rows and columns"),
        ((TensorProto.COMPLEX64, ["rows", 4]), "of a kind that no column has"),
    ],
)
def test_models_that_dont_read_a_table_are_refused(
    kind: tuple[int, list[Any]], words: str, tmp_path: Path
) -> None:
    model = model_of([helper.make_node("Identity", ["x"], ["y"])], inputs={"x": kind})
    with pytest.raises(ModelFileError, match=words):
        read_onnx(save(model, tmp_path / "model.onnx"))
