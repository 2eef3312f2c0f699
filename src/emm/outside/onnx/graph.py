"""A model's graph in plain terms: operators, the tensors between them, and constants."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from emm.core.onnx_packages import onnx_library

Attribute = int | float | str | tuple[int, ...] | tuple[float, ...] | tuple[str, ...] | None
"""Value of an operator's attribute; None for a tensor or a graph, which only ORT can read."""


@dataclass(frozen=True)
class Node:
    """An operator: its name (with its domain unless it is ONNX's own), and its tensors' names.

    An input that is left out has the name "".
    """

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute]

    def attribute(self, name: str, default: Any = None) -> Any:
        """The value of an attribute, or ``default``."""
        return self.attributes.get(name, default)


@dataclass(frozen=True)
class Graph:
    """Operators in execution order; ``inputs``: names of what a row consists of; ``constants``:
    the stored tensors; ``opset``: version of ONNX's own operators."""

    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    constants: Mapping[str, np.ndarray]
    opset: int

    @cached_property
    def producers(self) -> dict[str, Node]:
        """The operator that makes each tensor."""
        return {name: node for node in self.nodes for name in node.outputs if name}


def plain_graph(model: Any) -> Graph:
    """The graph of a ModelProto."""
    onnx = onnx_library()
    constants = {each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer}
    nodes = []
    for proto in model.graph.node:
        node = _node(proto)
        value = next((a.t for a in proto.attribute if a.name == "value" and a.HasField("t")), None)
        if node.op == "Constant" and value is not None:
            constants[node.outputs[0]] = onnx.numpy_helper.to_array(value)
        else:
            nodes.append(node)
    sparse = {each.values.name for each in model.graph.sparse_initializer}
    inputs = tuple(
        each.name
        for each in model.graph.input
        if each.name not in constants and each.name not in sparse
    )
    opset = max((x.version for x in model.opset_import if x.domain in ("", "ai.onnx")), default=1)
    return Graph(tuple(nodes), inputs, constants, opset)


def _node(proto: Any) -> Node:
    domain = "" if proto.domain in ("", "ai.onnx") else f"{proto.domain}."
    return Node(
        f"{domain}{proto.op_type}",
        tuple(proto.input),
        tuple(proto.output),
        {each.name: _value(each) for each in proto.attribute},
    )


def _value(attribute: Any) -> Attribute:
    onnx = onnx_library()
    if attribute.HasField("t"):
        tensor = onnx.numpy_helper.to_array(attribute.t)
        return tensor.item() if tensor.size == 1 and tensor.dtype.kind in "iufb" else None
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, int | float):
        return value
    if attribute.type not in (onnx.AttributeProto.FLOATS, onnx.AttributeProto.INTS):
        texts = value if attribute.type == onnx.AttributeProto.STRINGS else ()
        return tuple(each.decode("utf-8", "replace") for each in texts) or None
    return tuple(value)
