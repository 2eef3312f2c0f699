"""A graph of ONNX operators that is being built."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from emm.core.errors import ModelFileError
from emm.core.onnx_packages import onnx_library

OPSET, ML_OPSET = 20, 5
"""Versions of ONNX's own operators and of those of ai.onnx.ml, which has trees with sets from 5 on.
onnxruntime knows both from 1.20 on."""
IR_VERSION = 10

ML, MICROSOFT = "ai.onnx.ml", "com.microsoft"


class Nodes:
    """Operators and constants. Names of tensors that it makes start with a slash, so that they
    aren't those of inputs and outputs."""

    def __init__(self) -> None:
        self.onnx = onnx_library()
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.known_types: list[Any] = []
        self.versions = {"": OPSET, ML: ML_OPSET, MICROSOFT: 1}
        self._known: dict[tuple[Any, ...], str] = {}
        self._count = 0

    def name(self, word: str) -> str:
        """A new name of a tensor."""
        self._count += 1
        return f"/{word.lower()}_{self._count}"

    def add(
        self,
        op: str,
        inputs: Sequence[str],
        *,
        domain: str = "",
        output: str | None = None,
        **attributes: Any,
    ) -> str:
        """Add an operator with one output, and return that tensor's name."""
        name = output or self.name(op)
        node = self.onnx.helper.make_node(op, inputs, [name], domain=domain, **attributes)
        self.nodes.append(node)
        return name

    def require(self, versions: Mapping[str, int], where: str) -> None:
        """Take the versions of a graph that is composed in, called ``where``.

        Raises ModelFileError if its trees and the model's own need different versions.
        """
        self.versions[""] = max(self.versions[""], versions[""])
        self.versions[ML] = min(self.versions[ML], versions[ML])
        if self.versions[ML] < ML_OPSET and any(n.op_type == "TreeEnsemble" for n in self.nodes):
            raise ModelFileError(
                f"{where} has trees as an operator that newer versions of ONNX lack, next to trees "
                "that need it",
                where=where,
                got=f"{ML} below {ML_OPSET}",
                expected=f"{ML} {ML_OPSET}",
                next_step="fuse without this member, or without trees of the pipeline's own",
            )

    def split(self, tensor: str, widths: Sequence[int]) -> list[str]:
        """The parts of [B, sum of the widths], [B, width] each."""
        if len(widths) == 1:
            return [tensor]
        names = [self.name("split") for _ in widths]
        sizes = self.constant(np.array(widths, np.int64))
        self.nodes.append(self.onnx.helper.make_node("Split", [tensor, sizes], names, axis=1))
        return names

    def concat(self, tensors: Sequence[str], output: str | None = None) -> str:
        """Tensors [B, width] side by side."""
        if len(tensors) == 1:
            return tensors[0] if output is None else self.add("Identity", tensors, output=output)
        return self.add("Concat", tensors, axis=1, output=output)

    def cast(self, tensor: str, type_: str, output: str | None = None) -> str:
        """A tensor as another type: FLOAT, DOUBLE, INT32, INT64."""
        to = getattr(self.onnx.TensorProto, type_)
        return self.add("Cast", [tensor], to=to, output=output)

    def constant(self, values: np.ndarray) -> str:
        """A constant; equal ones are stored once."""
        content = tuple(values.flatten()) if values.dtype == object else values.tobytes()
        key = (values.dtype.str, values.shape, content)
        if key not in self._known:
            self._known[key] = self.name("constant")
            tensor = self.onnx.numpy_helper.from_array(values, self._known[key])
            self.constants.append(tensor)
        return self._known[key]

    def tokens(self, text: str, pattern: str, padding: str) -> str:
        """The parts of text [B, K] that a pattern finds: [B, K, most parts of any]."""
        name = self.add(
            "Tokenizer",
            [text],
            domain=MICROSOFT,
            mark=0,
            mincharnum=1,
            pad_value=padding,
            tokenexp=pattern,
        )
        # The onnx package doesn't know this operator, and inferring shapes without a type crashes.
        info = self.onnx.helper.make_tensor_value_info
        self.known_types.append(info(name, self.onnx.TensorProto.STRING, [None, None, None]))
        return name

    def insert(self, graph: Any, prefix: str, names: Mapping[str, str]) -> None:
        """Add the operators and constants of a GraphProto.

        Its tensors get the ``prefix``, except those that ``names`` maps to tensors of this one.
        """
        known = dict(names)

        def renamed(name: str) -> str:
            return known.setdefault(name, f"/{prefix}/{name.lstrip('/')}") if name else ""

        for tensor in graph.initializer:
            copy = type(tensor)()
            copy.CopyFrom(tensor)
            copy.name = renamed(tensor.name)
            self.constants.append(copy)
        for node in graph.node:
            copy = type(node)()
            copy.CopyFrom(node)
            _rename(copy, renamed)
            self.nodes.append(copy)


def _rename(node: Any, renamed: Any) -> None:
    """Rename the tensors of a node, those that its inner graphs read and make included."""
    inputs, outputs = [*map(renamed, node.input)], [*map(renamed, node.output)]
    del node.input[:], node.output[:]
    node.input.extend(inputs)
    node.output.extend(outputs)
    node.name = ""
    for attribute in node.attribute:
        for graph in [attribute.g] if attribute.HasField("g") else attribute.graphs:
            for value in [*graph.initializer, *graph.input, *graph.output, *graph.value_info]:
                value.name = renamed(value.name)
            for inner in graph.node:
                _rename(inner, renamed)
