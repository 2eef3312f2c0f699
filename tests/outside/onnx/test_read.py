"""Which output is read, what it is, and its logit."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from onnx import TensorProto, helper

from emm.core.errors import ModelFileError, ParamsError
from emm.outside.onnx import OnnxModel, read_onnx
from tests.outside.onnx.single import model_of, network, save

ROWS = pl.DataFrame({f"x[{n}]": np.random.default_rng(n).normal(size=20) for n in range(4)})
FLOAT = (TensorProto.FLOAT, None)

SIGMOID = helper.make_node("Sigmoid", ["z"], ["p"])
REST = helper.make_node("Sub", ["one", "p"], ["q"])


def pair(first: str, second: str) -> list[Any]:
    return [SIGMOID, REST, helper.make_node("Concat", [first, second], ["y"], axis=1)]


def read(
    folder: Path, end: list[Any], name: str, output: str | None = None, last: int = 1
) -> OnnxModel:
    model = network((4, 8, last), end=end, output=name)
    return read_onnx(save(model, folder / "model.onnx"), output)


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z.astype(float)))


@pytest.mark.parametrize(
    ("end", "output", "last"),
    [
        ([helper.make_node("Sigmoid", ["z"], ["y"])], None, 1),
        ([SIGMOID, helper.make_node("Identity", ["p"], ["y"])], None, 1),
        (pair("q", "p"), None, 1),
        (pair("q", "p"), "y[:, 1]", 1),
        (pair("q", "p"), "y[:, 0]", 1),
        (pair("p", "q"), "y[:, -1]", 1),
        ([SIGMOID, helper.make_node("Sub", ["one", "p"], ["y"])], None, 1),
        ([helper.make_node("Softmax", ["z"], ["y"], axis=1)], None, 2),
        ([helper.make_node("Softmax", ["z"], ["y"], axis=-1)], "y[:, 0]", 2),
    ],
)
def test_a_probability_has_the_logit_before_its_sigmoid_or_softmax(
    end: list[Any], output: str | None, last: int, tmp_path: Path
) -> None:
    model = read(tmp_path, end, "y", output, last)
    assert (model.gives, model.width) == ("probability", 1)
    assert model.logit is not None
    expected = model.predict([ROWS])
    np.testing.assert_allclose(sigmoid(model.logits([ROWS])), expected, rtol=0, atol=1e-6)


def test_classes_have_a_logit_each(tmp_path: Path) -> None:
    model = read(tmp_path, [helper.make_node("Softmax", ["z"], ["y"])], "y", None, 3)
    assert (model.gives, model.width) == ("probability", 3)
    odds = np.exp(model.logits([ROWS]))
    np.testing.assert_allclose(odds / odds.sum(1, keepdims=True), model.predict([ROWS]), atol=1e-6)


def test_one_class_of_three_has_its_odds_as_logit(tmp_path: Path) -> None:
    model = read(tmp_path, [helper.make_node("Softmax", ["z"], ["y"])], "y", "y[:, 2]", 3)
    assert (model.gives, model.logit) == ("probability", None)
    np.testing.assert_allclose(sigmoid(model.logits([ROWS])), model.predict([ROWS]), atol=1e-6)


def test_a_score_is_what_the_file_says(tmp_path: Path) -> None:
    model = read(tmp_path, [], "z")
    assert (model.gives, model.logit) == (None, None)
    np.testing.assert_array_equal(model.logits([ROWS]), model.predict([ROWS]))


def test_a_probability_that_is_changed_after_its_sigmoid_has_no_such_logit(tmp_path: Path) -> None:
    """A clip keeps the shape, but not the values."""
    end = [SIGMOID, helper.make_node("Mul", ["p", "one"], ["y"])]
    assert read(tmp_path, end, "y").logit is None


def test_gives_by_the_entry_keeps_the_output_as_it_is(tmp_path: Path) -> None:
    path = save(network((4, 8, 1), end=[SIGMOID], output="p"), tmp_path / "model.onnx")
    assert read_onnx(path, gives="value").logit is None


def test_two_scores_have_to_be_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="two columns") as error:
        read(tmp_path, [], "z", None, 2)
    assert '`output: "z[:, 1]"`' in str(error.value)
    assert read(tmp_path, [], "z", "z[:, 1]", 2).width == 1


@pytest.mark.parametrize(
    ("output", "words"), [("zz", "did you mean 'z'"), ("z[:, 7]", "no column 7")]
)
def test_an_unknown_output_is_refused(output: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=words):
        read(tmp_path, [], "z", output, 2)


def test_several_outputs_have_to_be_named(tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["a"]), helper.make_node("Neg", ["x"], ["b"])]
    path = save(model_of(nodes, outputs={"a": FLOAT, "b": FLOAT}), tmp_path / "model.onnx")
    with pytest.raises(ModelFileError, match="several outputs"):
        read_onnx(path)
    model = read_onnx(path, "b[:, 1]")
    np.testing.assert_allclose(model.predict([ROWS])[:, 0], -ROWS["x[1]"].to_numpy(), rtol=1e-6)


def test_labels_are_no_prediction(tmp_path: Path) -> None:
    node = helper.make_node("ArgMax", ["x"], ["y"], axis=1)
    path = save(model_of([node], outputs={"y": (TensorProto.INT64, None)}), tmp_path / "model.onnx")
    with pytest.raises(ModelFileError, match="no output of numbers"):
        read_onnx(path)


def test_a_prediction_is_one_vector_per_row(tmp_path: Path) -> None:
    nodes = [helper.make_node("Unsqueeze", ["x", "axis"], ["y"])]
    path = save(model_of(nodes, {"axis": np.array([1])}), tmp_path / "model.onnx")
    with pytest.raises(ModelFileError, match="isn't one vector per row"):
        read_onnx(path)


def test_a_model_that_mixes_rows_is_refused(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("ReduceMean", ["x", "rows"], ["mean"]),
        helper.make_node("Sub", ["x", "mean"], ["centred"]),
        helper.make_node("ReduceSum", ["centred", "columns"], ["y"]),
    ]
    constants = {"rows": np.array([0]), "columns": np.array([1])}
    model = read_onnx(save(model_of(nodes, constants), tmp_path / "model.onnx"))
    with pytest.raises(ModelFileError, match="depend on the other rows"):
        model.predict([ROWS])


def test_batches_are_scored_one_after_another(tmp_path: Path) -> None:
    model = read(tmp_path, [], "z")
    whole = model.predict([ROWS])
    parts = model.predict(iter([ROWS.head(7), ROWS.head(0), ROWS.tail(13)]))
    np.testing.assert_allclose(parts, whole, rtol=1e-6)
    assert model.predict([]).shape == (0, 1)
