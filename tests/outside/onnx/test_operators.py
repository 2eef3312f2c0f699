"""Each operator in torch against onnxruntime's own."""

from typing import Any

import numpy as np
import pytest
import torch
from onnx import helper

from emm.outside.onnx.operators import OPERATORS
from emm.outside.onnx.values import Constant, Value
from tests.outside.onnx.single import model_of, run

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(3, 4)).astype(np.float32) * 3
POSITIVE = np.abs(X) + 0.1
CUBE = RANDOM.normal(size=(3, 2, 4)).astype(np.float32)
VECTOR = RANDOM.normal(size=4).astype(np.float32)
MATRIX = RANDOM.normal(size=(4, 4)).astype(np.float32)
TRUTH = X > 0


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def number(value: float) -> np.ndarray:
    return np.float32(value)


UNARY = [
    *("Abs", "Erf", "Exp", "HardSwish", "Identity", "Mish", "Neg", "Reciprocal", "Relu"),
    *("Sigmoid", "Softplus", "Softsign", "Tanh", "Selu", "Elu", "LeakyRelu", "HardSigmoid"),
    *("Gelu", "Dropout", "Flatten", "Transpose"),
]

CASES: list[tuple[str, list[Any], dict[str, Any]]] = [
    *[(name, [X], {}) for name in UNARY],
    *[(name, [POSITIVE], {}) for name in ("Log", "Sqrt")],
    *[(name, [X, VECTOR], {}) for name in ("Add", "Sub", "Mul", "Div", "Max", "Min", "PRelu")],
    *[(name, [X, X.round()], {}) for name in ("Equal", "Greater", "Less")],
    *[(name, [X, VECTOR], {}) for name in ("GreaterOrEqual", "LessOrEqual")],
    *[(name, [TRUTH, TRUTH[::-1].copy()], {}) for name in ("And", "Or")],
    ("Not", [TRUTH], {}),
    ("Div", [ints(7, -7, 8), ints(2, 2, -3)], {}),
    ("Sum", [X, VECTOR, X], {}),
    ("Mean", [X, VECTOR, X], {}),
    ("Max", [X], {}),
    ("Pow", [X, number(2)], {}),
    ("Pow", [POSITIVE, VECTOR], {}),
    ("Elu", [X], {"alpha": 0.3}),
    ("Selu", [X], {"alpha": 1.5, "gamma": 1.2}),
    ("LeakyRelu", [X], {"alpha": 0.3}),
    ("HardSigmoid", [X], {"alpha": 0.3, "beta": 0.4}),
    ("Gelu", [X], {"approximate": "tanh"}),
    ("Clip", [X, number(-1), number(2)], {}),
    ("Clip", [X, None, number(2)], {}),
    ("Clip", [X, number(0)], {}),
    ("Cast", [X], {"to": 7}),
    ("Cast", [X], {"to": 9}),
    ("Cast", [ints(1, 2, 3)], {"to": 1}),
    ("Where", [TRUTH, X, VECTOR], {}),
    ("MatMul", [X, MATRIX], {}),
    ("MatMul", [CUBE, MATRIX], {}),
    ("MatMul", [CUBE, CUBE.transpose(0, 2, 1).copy()], {}),
    ("Gemm", [X, MATRIX], {}),
    ("Gemm", [X, MATRIX, VECTOR], {"transB": 1}),
    ("Gemm", [X.T.copy(), MATRIX, VECTOR], {"transA": 1, "alpha": 0.5, "beta": 2.0}),
    ("Einsum", [CUBE, MATRIX], {"equation": "bkh,ho->bko"}),
    ("BatchNormalization", [X, VECTOR, VECTOR, VECTOR, np.abs(VECTOR)], {"epsilon": 1e-3}),
    ("LayerNormalization", [X, VECTOR, VECTOR], {}),
    ("LayerNormalization", [CUBE, VECTOR], {"epsilon": 1e-2}),
    ("LayerNormalization", [CUBE, CUBE[0], CUBE[1]], {"axis": 1}),
    ("Softmax", [X], {"axis": -1}),
    ("Softmax", [CUBE], {"axis": 1}),
    ("LogSoftmax", [CUBE], {"axis": -1}),
    *[
        (name, [np.abs(CUBE), ints(1)], {"keepdims": kept})
        for name in ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2")
        for kept in (0, 1)
    ],
    ("ReduceSumSquare", [CUBE, ints(-1)], {"keepdims": 0}),
    ("ReduceLogSumExp", [CUBE, ints(1, 2)], {"keepdims": 0}),
    ("ReduceSum", [CUBE], {"keepdims": 1}),
    ("ReduceSum", [CUBE], {"noop_with_empty_axes": 1}),
    ("Gather", [MATRIX, ints(3, 0, -1)], {}),
    ("Gather", [CUBE, np.array(1)], {"axis": 1}),
    ("Gather", [CUBE, np.array([[0, -1], [1, 1]])], {"axis": 2}),
    ("Reshape", [CUBE, ints(0, -1)], {}),
    ("Reshape", [CUBE, ints(3, 4, 2)], {"allowzero": 1}),
    ("Flatten", [CUBE], {"axis": 2}),
    ("Flatten", [CUBE], {"axis": 0}),
    ("Transpose", [CUBE], {"perm": [1, 0, 2]}),
    ("Squeeze", [CUBE[:, :1], ints(1)], {}),
    ("Squeeze", [CUBE[:, :1]], {}),
    ("Unsqueeze", [X, ints(0, -1)], {}),
    ("Expand", [X[:, None], ints(2, 1)], {}),
    ("Tile", [X, ints(2, 3)], {}),
    ("Concat", [X, POSITIVE, X], {"axis": 1}),
    ("Slice", [CUBE, ints(1), ints(3), ints(2)], {}),
    ("Slice", [X, ints(-3, 0), ints(1 << 62, 2)], {}),
    ("Slice", [X, ints(-1), ints(-(1 << 62)), ints(1), ints(-2)], {}),
    ("Slice", [X, ints(0), ints(-1), ints(1), ints(2)], {}),
    ("ConstantOfShape", [ints(2, 3)], {}),
]


def as_value(value: np.ndarray | None) -> Value:
    """As the interpreter passes it: integers that aren't [B, ...] are constants."""
    if value is None:
        return None
    array = np.asarray(value)
    if array.dtype.kind == "i" or array.ndim == 0:
        kind = "int64" if array.dtype.kind == "i" else "float32"
        return Constant(tuple(array.reshape(-1).tolist()), array.shape, kind)
    return torch.from_numpy(array)


def names_of(inputs: list[Any]) -> list[str]:
    return ["" if each is None else f"i{number}" for number, each in enumerate(inputs)]


@pytest.mark.parametrize(
    "case", range(len(CASES)), ids=[f"{n}-{op}" for n, (op, _, _) in enumerate(CASES)]
)
def test_operators_give_what_onnxruntime_gives(case: int) -> None:
    op, inputs, attributes = CASES[case]
    names = names_of(inputs)
    feed = {name: np.asarray(x) for name, x in zip(names, inputs, strict=True) if name}
    kinds = {
        name: (helper.np_dtype_to_tensor_dtype(x.dtype), list(x.shape)) for name, x in feed.items()
    }
    node = helper.make_node(op, names, ["y"], **attributes)
    (expected,) = run(model_of([node], inputs=kinds, outputs={"y": None}), feed)
    found = OPERATORS[op]([as_value(each) for each in inputs], attributes)
    assert tuple(found.shape) == expected.shape
    np.testing.assert_allclose(found.numpy(), expected, rtol=2e-6, atol=2e-6)


def test_swish_and_rms_norm_follow_their_definitions() -> None:
    """onnxruntime doesn't have them in every version."""
    x = torch.from_numpy(X)
    swish = OPERATORS["Swish"]([x], {"alpha": 0.5})
    torch.testing.assert_close(swish, x / (1 + torch.exp(-0.5 * x)))
    norm = OPERATORS["RMSNormalization"]([x, torch.from_numpy(VECTOR)], {"epsilon": 1e-3})
    rms = (x.square().mean(1, keepdim=True) + 1e-3).sqrt()
    torch.testing.assert_close(norm, x / rms * torch.from_numpy(VECTOR))


@pytest.mark.parametrize(
    ("sizes", "attributes"), [([1, 3], {}), ([], {"num_outputs": 2}), ([3, 1], {})]
)
def test_split_gives_the_parts_that_onnxruntime_gives(
    sizes: list[int], attributes: dict[str, Any]
) -> None:
    inputs = [X, ints(*sizes)] if sizes else [X]
    names = names_of(inputs)
    feed = dict(zip(names, inputs, strict=True))
    kinds = {
        name: (helper.np_dtype_to_tensor_dtype(x.dtype), list(x.shape)) for name, x in feed.items()
    }
    node = helper.make_node("Split", names, ["a", "b"], axis=1, **attributes)
    expected = run(model_of([node], inputs=kinds, outputs={"a": None, "b": None}), feed)
    found: Any = OPERATORS["Split"]([as_value(x) for x in inputs], {"axis": 1, "outputs": 2})
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs)


def test_settings_may_be_attributes_as_in_older_versions() -> None:
    x = torch.from_numpy(CUBE)
    older: list[tuple[str, dict[str, Any], torch.Tensor]] = [
        ("ReduceMean", {"axes": (1,), "keepdims": 0}, x.mean(1)),
        ("Unsqueeze", {"axes": (1,)}, x[:, None]),
        ("Slice", {"starts": (1,), "ends": (3,), "axes": (2,)}, x[:, :, 1:3]),
        ("Clip", {"min": -1.0, "max": 0.5}, x.clamp(-1, 0.5)),
        ("Reshape", {"shape": (3, 8)}, x.flatten(1)),
    ]
    for op, attributes, expected in older:
        torch.testing.assert_close(OPERATORS[op]([x], attributes), expected)
    parts: Any = OPERATORS["Split"]([x], {"axis": 2, "split": (1, 3), "outputs": 2})
    assert [part.shape[2] for part in parts] == [1, 3]
