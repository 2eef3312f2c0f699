"""Where networks are cut, and which layers they have."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from onnx import TensorProto, helper

from emm.nn.structure import Layer
from emm.outside.onnx import CutOnnx, cut, read_onnx
from emm.outside.scorer import Opaque
from tests.outside.onnx.single import OPSET, model_of, network, save

ROWS = pl.DataFrame({f"x[{n}]": np.random.default_rng(n).normal(size=20) for n in range(4)})
RANDOM = np.random.default_rng(0)
WEIGHTS = {
    "w": RANDOM.normal(size=(4, 4)).astype(np.float32),
    "v": RANDOM.normal(size=4).astype(np.float32),
    "variance": np.array([1, 2, 3, 4], np.float32),
    "o": RANDOM.normal(size=(4, 1)).astype(np.float32),
    **{f"c{number}": np.float32(number) for number in (0.5, 1.0, 2.0, 1e-3)},
    "root": np.float32(np.sqrt(2)),
    "ax": np.array([-1]),
}


def node(op: str, inputs: str, outputs: str, **attributes: Any) -> Any:
    return helper.make_node(op, inputs.split(), outputs.split(), **attributes)


def cut_of(folder: Path, nodes: list[Any], opset: int = OPSET) -> CutOnnx | Opaque:
    """A network of a product, ``nodes`` from a to b, and two more products."""
    ends = [node("MatMul", "b w", "c"), node("Tanh", "c", "d"), node("MatMul", "d o", "y")]
    model = model_of([node("MatMul", "x w", "a"), *nodes, *ends], WEIGHTS, opset=opset)
    return cut(read_onnx(save(model, folder / "model.onnx")))


def middle(found: CutOnnx | Opaque) -> list[Layer]:
    """The layers from a to b; the network gives the same in torch as in onnxruntime."""
    assert isinstance(found, CutOnnx), found
    logits = found.build()(torch.from_numpy(found.scored_input([ROWS])))
    np.testing.assert_allclose(logits.detach(), found.model.predict([ROWS]), rtol=1e-5, atol=1e-5)
    return list(found.layers[2:-3])


NORM = [
    node("ReduceMean", "a ax", "mean"),
    node("Sub", "a mean", "centred"),
    node("Pow", "centred c2.0", "squares"),
    node("ReduceMean", "squares ax", "variance_of"),
    node("Add", "variance_of c0.001", "above"),
    node("Sqrt", "above", "deviation"),
    node("Div", "centred deviation", "b"),
]
GELU = [
    node("Div", "a root", "scaled"),
    node("Erf", "scaled", "erf"),
    node("Add", "erf c1.0", "raised"),
    node("Mul", "a raised", "twice"),
    node("Mul", "twice c0.5", "b"),
]

STRETCHES: list[tuple[list[Any], str, str]] = [
    ([node("Relu", "a", "b")], "ReLU", ""),
    ([node("Elu", "a", "b", alpha=0.5)], "ELU", "alpha=0.5"),
    ([node("LeakyRelu", "a", "b", alpha=0.3)], "LeakyReLU", "negative_slope=0.3"),
    ([node("PRelu", "a v", "b")], "PReLU", "num_parameters=4"),
    ([node("Softplus", "a", "b")], "Softplus", "beta=1.0, threshold=20.0"),
    ([node("Sigmoid", "a", "s"), node("Mul", "a s", "b")], "SiLU", ""),
    ([node("Gelu", "a", "b", approximate="tanh")], "GELU", "approximate='tanh'"),
    (GELU, "GELU", "approximate='none'"),
    (NORM, "LayerNorm", torch.nn.LayerNorm(4, 1e-3, elementwise_affine=False).extra_repr()),
    (
        [node("LayerNormalization", "a v v", "b", epsilon=1e-3)],
        "LayerNorm",
        torch.nn.LayerNorm(4, 1e-3).extra_repr(),
    ),
    (
        [node("BatchNormalization", "a v v v variance", "b", momentum=0.8)],
        "BatchNorm1d",
        torch.nn.BatchNorm1d(4, momentum=0.2).extra_repr(),
    ),
    ([node("Mul", "a v", "b")], "Mul", "t0=Mul(x, w0[4])"),
]


@pytest.mark.parametrize(
    ("nodes", "kind", "details"), STRETCHES, ids=[f"{len(n)}-{kind}" for n, kind, _ in STRETCHES]
)
def test_layers_are_those_of_torch_where_they_are_the_same(
    nodes: list[Any], kind: str, details: str, tmp_path: Path
) -> None:
    (layer,) = middle(cut_of(tmp_path, nodes))
    found = layer.structure
    assert (found.kind, found.details, found.inputs, found.output) == (kind, details, ((4,),), (4,))
    assert not layer.linear


def test_a_product_and_its_bias_are_one_linear_layer(tmp_path: Path) -> None:
    parts = [node("MatMul", "a w", "m"), node("Add", "v m", "b")]
    (layer,) = middle(cut_of(tmp_path, parts))
    assert layer.structure.kind == "Linear"
    assert layer.structure.details == torch.nn.Linear(4, 4).extra_repr()
    assert layer.linear


def test_skips_make_one_layer_of_what_they_go_around(tmp_path: Path) -> None:
    block = [node("MatMul", "a w", "m"), node("Relu", "m", "r"), node("Add", "r a", "b")]
    (layer,) = middle(cut_of(tmp_path, block))
    assert layer.structure.kind == "MatMul+Relu+Add"
    assert layer.structure.details == "t0=MatMul(x, w0[4, 4]); t1=Relu(t0); t2=Add(t1, x)"
    assert layer.linear


def test_what_only_reshapes_is_no_layer(tmp_path: Path) -> None:
    parts = [
        node("Unsqueeze", "a ax", "u"),
        node("Squeeze", "u ax", "s"),
        node("Identity", "s", "i"),
        node("Dropout", "i", "b"),
    ]
    assert middle(cut_of(tmp_path, parts)) == []


def test_sizes_that_follow_the_number_of_rows_are_worked_out(tmp_path: Path) -> None:
    """As exporters write x.view(x.shape[0], 2, 2) and zeros of its shape."""
    constants = {"zero": np.array([0]), "two": np.array([2, 2]), "four": np.array([4])}
    parts = [
        node("Shape", "a", "shape"),
        node("Gather", "shape zero", "batch"),
        node("Concat", "batch two", "cube", axis=0),
        node("Reshape", "a cube", "r"),
        node("Transpose", "r", "t", perm=[0, 2, 1]),
        node("Concat", "batch four", "matrix", axis=0),
        node("Reshape", "t matrix", "f"),
        node("ConstantOfShape", "matrix", "zeros"),
        node("Add", "f zeros", "s"),
        node("Relu", "s", "b"),
    ]
    ends = [node("MatMul", "b w", "c"), node("Tanh", "c", "d"), node("MatMul", "d o", "y")]
    model = model_of([node("MatMul", "x w", "a"), *parts, *ends], WEIGHTS | constants)
    found = cut(read_onnx(save(model, tmp_path / "model.onnx")))
    assert "ReLU" in [layer.structure.kind for layer in middle(found)]


def test_softmax_of_old_versions_is_that_of_the_last_axis(tmp_path: Path) -> None:
    (layer,) = middle(cut_of(tmp_path, [node("Softmax", "a", "b")], opset=11))
    assert layer.structure.details == "t0=Softmax(x) axis=-1"


def test_the_front_and_the_first_unit_are_scored(tmp_path: Path) -> None:
    path = save(network((4, 8, 6, 1)), tmp_path / "model.onnx")
    found = cut(read_onnx(path))
    assert isinstance(found, CutOnnx)
    names = [layer.name for layer in found.layers]
    assert names == [f"layers.{number}" for number in range(6)]
    kinds = [layer.structure.kind for layer in found.layers]
    assert kinds == ["Front", "Linear", "ReLU", "Linear", "ReLU", "Linear"]
    assert (found.description["width"], found.scored_input([ROWS]).shape) == (8, (20, 8))
    modules = found.build().layers
    x = torch.randn(2, 8)
    for module in modules[:3]:
        assert module(x) is x
    assert [name for name in found.weights if name.startswith("layers.3.")]


def test_separate_inputs_join_in_the_front(tmp_path: Path) -> None:
    inputs = {name: (TensorProto.FLOAT, ["rows", 1]) for name in "abcd"}
    nodes = [
        node("Concat", "a b c d", "x", axis=1),
        node("MatMul", "x w", "h"),
        node("Relu", "h", "r"),
        node("MatMul", "r o", "y"),
    ]
    found = cut(read_onnx(save(model_of(nodes, WEIGHTS, inputs=inputs), tmp_path / "m.onnx")))
    assert isinstance(found, CutOnnx)
    assert [layer.structure.output for layer in found.layers] == [(4,), (4,), (4,), (1,)]


OPAQUE: list[tuple[list[Any], str]] = [
    ([node("Sin", "a", "b")], "operator Sin"),
    ([node("TopK", "a four", "b i", axis=1)], "operator TopK"),
    ([node("ReduceMean", "a zero", "m"), node("Sub", "a m", "b")], "depends on the other rows"),
    ([node("RandomNormalLike", "a", "r"), node("Add", "a r", "b")], "RandomNormalLike"),
]


@pytest.mark.parametrize(("nodes", "words"), OPAQUE, ids=[words for _, words in OPAQUE])
def test_what_cant_be_interpreted_is_opaque_and_named(
    nodes: list[Any], words: str, tmp_path: Path
) -> None:
    constants = {"four": np.array([4]), "zero": np.array([0])}
    ends = [node("MatMul", "b w", "c"), node("Tanh", "c", "d"), node("MatMul", "d o", "y")]
    model = model_of([node("MatMul", "x w", "a"), *nodes, *ends], WEIGHTS | constants)
    found = cut(read_onnx(save(model, tmp_path / "model.onnx")))
    assert isinstance(found, Opaque)
    assert words in found.reason


def test_branches_that_meet_at_the_output_are_opaque(tmp_path: Path) -> None:
    nodes = [
        node("MatMul", "x w", "a"),
        node("Relu", "a", "b"),
        node("MatMul", "b o", "deep"),
        node("MatMul", "x o", "wide"),
        node("Add", "deep wide", "y"),
    ]
    found = cut(read_onnx(save(model_of(nodes, WEIGHTS), tmp_path / "model.onnx")))
    assert isinstance(found, Opaque)
    assert "branches" in found.reason


def test_a_linear_model_is_opaque(tmp_path: Path) -> None:
    found = cut(read_onnx(save(network((4, 1)), tmp_path / "model.onnx")))
    assert found == Opaque("it has no hidden layer between its encoders and its output")


def test_an_end_that_hides_the_logit_is_opaque(tmp_path: Path) -> None:
    end = [node("HardSigmoid", "z", "y")]
    found = cut(read_onnx(save(network(end=end, output="y"), tmp_path / "model.onnx")))
    assert isinstance(found, Opaque)
    assert "HardSigmoid" in found.reason


def test_doubles_are_computed_in_single_precision(tmp_path: Path) -> None:
    double = {key: value.astype(float) for key, value in WEIGHTS.items() if value.dtype == "f4"}
    nodes = [
        node("Cast", "x", "x64", to=TensorProto.DOUBLE),
        node("MatMul", "x64 w", "a"),
        node("Relu", "a", "b"),
        node("MatMul", "b w", "c"),
        node("Relu", "c", "d"),
        node("MatMul", "d o", "y"),
    ]
    outputs = {"y": (TensorProto.DOUBLE, None)}
    model = model_of(nodes, double, outputs=outputs)
    assert middle(cut(read_onnx(save(model, tmp_path / "model.onnx"))))
