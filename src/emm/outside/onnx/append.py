"""Operators added to a model: they give its prediction and its logit as matrices of rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from emm.core.onnx_packages import onnx_library
from emm.outside.onnx.logit import Logit

OPSET = 13  # of ONNX's own operators, for models of trees that use none of them


class Appendix:
    """Operators at the end of a ModelProto, which it changes."""

    def __init__(self, proto: Any) -> None:
        self.proto, self.onnx = proto, onnx_library()
        if not any(each.domain in ("", "ai.onnx") for each in proto.opset_import):
            proto.opset_import.append(self.onnx.helper.make_opsetid("", OPSET))
        used = {x for node in proto.graph.node for x in [*node.input, *node.output]}
        used |= {each.name for each in [*proto.graph.input, *proto.graph.initializer]}
        self.prefix = next(p for n in range(len(used) + 1) if not _starts(used, p := f"emm{n}_"))
        self.count = 0

    def prediction(self, tensor: str, column: int | None, width: int) -> str:
        """The tensor [B, width] of a prediction, or of one ``column`` of it."""
        taken = tensor if column is None else self._column(tensor, column)
        return self._matrix(taken, width)

    def logit(self, logit: Logit, width: int) -> str:
        """The tensor [B, width] of a logit."""
        name = logit.tensor
        if logit.columns is not None:
            this, other = (self._column(name, column) for column in logit.columns)
            name = self._add("Sub", [this, other])
        if logit.sign < 0:
            name = self._add("Neg", [name])
        return self._matrix(name, width)

    def _column(self, tensor: str, column: int) -> str:
        return self._add("Gather", [tensor, self._constant([column])], axis=1)

    def _matrix(self, tensor: str, width: int) -> str:
        return self._add("Reshape", [tensor, self._constant([-1, width])])

    def _add(self, op: str, inputs: Sequence[str], **attributes: int) -> str:
        name = self._name()
        self.proto.graph.node.append(self.onnx.helper.make_node(op, inputs, [name], **attributes))
        return name

    def _constant(self, values: Sequence[int]) -> str:
        name = self._name()
        array = np.array(values, np.int64)
        self.proto.graph.initializer.append(self.onnx.numpy_helper.from_array(array, name))
        return name

    def _name(self) -> str:
        self.count += 1
        return f"{self.prefix}{self.count}"


def _starts(names: set[str], prefix: str) -> bool:
    return any(name.startswith(prefix) for name in names)
