"""Models of one operator, and what onnxruntime makes of them."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

OPSET = 20


def model_of(
    nodes: Sequence[Any],
    constants: Mapping[str, np.ndarray] | None = None,
    *,
    inputs: Mapping[str, tuple[int, list[Any]]] | None = None,
    outputs: Mapping[str, tuple[int, list[Any] | None] | None] | None = None,
    opset: int = OPSET,
) -> Any:
    """A ModelProto; inputs and outputs: element type and shape by name, x [rows, 4] and y; None for
    an output whose type isn't written down."""
    inputs = inputs or {"x": (TensorProto.FLOAT, ["rows", 4])}
    outputs = outputs or {"y": (TensorProto.FLOAT, ["rows", None])}
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info(name, *kind) for name, kind in inputs.items()],
        [_output(name, kind) for name, kind in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    domains = {node.domain for node in nodes} - {""}
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(x, 3) for x in domains)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def _output(name: str, kind: tuple[int, list[Any] | None] | None) -> Any:
    if kind is None:
        return helper.make_empty_tensor_value_info(name)
    return helper.make_tensor_value_info(name, *kind)


def save(model: Any, path: Path) -> Path:
    onnx.save(model, path)
    return path


def run(model: Any, feed: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """The outputs by onnxruntime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return session.run(None, dict(feed))


def network(
    widths: Sequence[int] = (4, 8, 8, 1), *, end: Sequence[Any] = (), output: str = "z"
) -> Any:
    """Gemm and Relu for each width, without a Relu after the last Gemm, which makes z; then end."""
    random = np.random.default_rng(0)
    nodes, constants, last = [], {}, "x"
    for number, (before, after) in enumerate(pairwise(widths)):
        final = number == len(widths) - 2
        constants[f"w{number}"] = random.normal(size=(after, before)).astype(np.float32)
        constants[f"b{number}"] = random.normal(size=after).astype(np.float32)
        made = "z" if final else f"g{number}"
        inputs = [last, f"w{number}", f"b{number}"]
        nodes.append(helper.make_node("Gemm", inputs, [made], transB=1))
        if not final:
            nodes.append(helper.make_node("Relu", [made], [f"h{number}"]))
            last = f"h{number}"
    constants["one"] = np.float32(1)
    shape = {"x": (TensorProto.FLOAT, ["rows", widths[0]])}
    made = {output: (TensorProto.FLOAT, None)}
    return model_of([*nodes, *end], constants, inputs=shape, outputs=made)
