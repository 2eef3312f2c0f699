"""ONNX models as entries of the pool."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from onnx import TensorProto, helper

from emm.core.errors import ModelFileError
from emm.core.onnx_packages import _load
from emm.nn.inputs import Inputs
from emm.outside.onnx import open_model
from emm.outside.scorer import Context, ModelInput
from emm.outside.settings import OutsideModel
from tests.outside.onnx.single import model_of, network, save

ROWS = pl.DataFrame({f"x[{n}]": np.random.default_rng(n).normal(size=9) for n in range(4)})


def context(*classes: str) -> Context:
    kind = "classes" if classes else "binary"
    outputs = len(classes) or 1
    return Context("risk", kind, outputs, Inputs(0, ()), (), {}, classes=classes)


def three_classes(folder: Path) -> OutsideModel:
    """A classifier of b, a and c, whose dictionary of probabilities is read as a matrix."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["z"]),
        helper.make_node("Softmax", ["z"], ["p"]),
        helper.make_node(
            "ZipMap", ["p"], ["y"], domain="ai.onnx.ml", classlabels_strings=["b", "a", "c"]
        ),
    ]
    weights = {"w": np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)}
    path = save(model_of(nodes, weights, outputs={"y": None}), folder / "model.onnx")
    return OutsideModel("risk", model=str(path), reference="none")


def test_inputs_are_the_columns_that_it_reads(tmp_path: Path) -> None:
    path = save(network(), tmp_path / "model.onnx")
    model = open_model("m", OutsideModel("risk", model=str(path)), context())
    assert model.inputs == [ModelInput(f"x[{number}]", "number") for number in range(4)]
    assert (model.kind, model.columns, model.gives) == ("onnx", "raw", None)


def test_classes_are_in_the_order_of_the_tasks(tmp_path: Path) -> None:
    entry = three_classes(tmp_path)
    own = open_model("m", entry, context("b", "a", "c"))
    other = open_model("m", entry, context("a", "b", "c"))
    expected = own.predict(iter([ROWS]))
    np.testing.assert_array_equal(other.predict(iter([ROWS])), expected[:, [1, 0, 2]])


def test_other_classes_than_the_tasks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="predicts other classes"):
        open_model("m", three_classes(tmp_path), context("a", "b", "d"))


def test_a_model_of_another_number_of_outputs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="doesn't fit its task"):
        open_model("m", three_classes(tmp_path), context())


def test_text_and_numbers_may_come_together(tmp_path: Path) -> None:
    inputs = {
        "job": (TensorProto.STRING, ["rows", 1]),
        "age": (TensorProto.FLOAT, ["rows", 1]),
        "weeks": (TensorProto.INT64, ["rows", 1]),
    }
    nodes = [
        helper.make_node(
            "LabelEncoder",
            ["job"],
            ["code"],
            domain="ai.onnx.ml",
            keys_strings=["nurse"],
            values_floats=[2.0],
            default_float=-1.0,
        ),
        helper.make_node("Cast", ["weeks"], ["number"], to=1),
        helper.make_node("Sum", ["code", "age", "number"], ["y"]),
    ]
    path = save(model_of(nodes, inputs=inputs), tmp_path / "model.onnx")
    model = open_model("m", OutsideModel("risk", model=str(path)), context())
    assert [(each.name, each.kind) for each in model.inputs] == [
        ("job", "text"),
        ("age", "number"),
        ("weeks", "integer"),
    ]
    rows = pl.DataFrame({"job": ["nurse", None], "age": [0.5, 0.25], "weeks": [3, 4]})
    assert model.predict(iter([rows])).tolist() == [[5.5], [3.25]]


def test_a_missing_package_is_said_with_the_line_that_installs_it() -> None:
    with pytest.raises(Exception, match=r"pip install -e"):
        _load("onnx_of_which_nobody_has_heard")
