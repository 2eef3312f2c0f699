"""Stretches of a graph as layers in plain terms, with their weights."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emm.outside.onnx.elementwise import CASTS
from emm.outside.onnx.flow import Flow, Stretch
from emm.outside.onnx.graph import Node
from emm.outside.onnx.network import INPUT, LayerDescription, Step
from emm.outside.onnx.operators import OPERATORS

MAX_CONSTANT = 1 << 16  # of numbers that are no weights

Operand = str | dict[str, Any] | None

# Attributes that say nothing: how much a library writes down isn't part of a structure.
_SILENT: Mapping[str, Any] = {
    "alpha": 1.0,
    "beta": 1.0,
    "transA": 0,
    "transB": 0,
    "allowzero": 0,
    "noop_with_empty_axes": 0,
    "stash_type": 1,
    "training_mode": 0,
}
_SILENT_OF = frozenset({"Gemm", "Reshape", "LayerNormalization", "BatchNormalization"})


class UninterpretableError(Exception):
    """A stretch can't be interpreted, and why, in words that follow the model's name."""


class LayerWriter:
    """Writes one stretch down; its tensors are called t0, t1 and so on, its weights w0, w1."""

    def __init__(self, flow: Flow, stretch: Stretch) -> None:
        self.flow, self.stretch = flow, stretch
        self.names = {stretch.start.name: INPUT}
        self.weights: dict[str, Tensor] = {}
        self.buffers: dict[str, Tensor] = {}
        self._operands: dict[str, Operand] = {}

    def description(self) -> LayerDescription:
        """The layer. Raises UninterpretableError."""
        steps = tuple(self._step(node) for node in self.stretch.nodes)
        return LayerDescription(
            self.stretch.start.shape,
            steps,
            self.names[self.stretch.end.name],
            {name: tuple(each.shape) for name, each in self.weights.items()},
            {name: tuple(each.shape) for name, each in self.buffers.items()},
        )

    def tensors(self) -> dict[str, Tensor]:
        """Its weights and buffers by name, once it is written."""
        return {**self.weights, **self.buffers}

    def _step(self, node: Node) -> Step:
        if node.op not in OPERATORS:
            raise UninterpretableError(unknown_operator(node.op))
        attributes = self._attributes(node)
        frozen = {3, 4} if node.op == "BatchNormalization" else set()
        inputs = tuple(
            self._operand(name, learns=place not in frozen)
            for place, name in enumerate(node.inputs)
        )
        for name in node.outputs:
            self.names[name] = f"t{len(self.names) - 1}"
        return Step(node.op, inputs, tuple(self.names[name] for name in node.outputs), attributes)

    def _operand(self, name: str, *, learns: bool) -> Operand:
        if not name:
            return None
        if name in self.names:
            return self.names[name]
        if name not in self._operands:
            self._operands[name] = self._constant(name, learns=learns)
        return self._operands[name]

    def _constant(self, name: str, *, learns: bool) -> Operand:
        if name in self.flow.dependent:
            raise UninterpretableError(f"its tensor {name} comes from before the first cut")
        if name in self.flow.sized:
            sizes = self.flow.probe.sizes(name)
            if sizes is None:
                raise UninterpretableError(f"its tensor {name} depends on the number of rows")
            return {"sizes": [list(pair) for pair in sizes[0]], "rank": sizes[1]}
        value = self.flow.constant(name)
        if value.dtype.kind == "f" and value.size != 1:
            return self._weight(value, learns=learns)
        if value.dtype.kind not in "fiub" or value.size > MAX_CONSTANT:
            raise UninterpretableError(f"its constant {name} is no weight")
        dtype = {"f": "float32", "b": "bool"}.get(value.dtype.kind, "int64")
        return {"values": value.reshape(-1).tolist(), "shape": list(value.shape), "dtype": dtype}

    def _weight(self, value: np.ndarray, *, learns: bool) -> str:
        name = f"w{len(self.weights) + len(self.buffers)}"
        tensor = torch.from_numpy(np.array(value, np.float32))
        (self.weights if learns else self.buffers)[name] = tensor
        return name

    def _attributes(self, node: Node) -> dict[str, Any]:
        """Those that say something; axes count from the end, as defaults differ by version."""
        found = {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in node.attributes.items()
            if value is not None and not (node.op in _SILENT_OF and _SILENT.get(key) == value)
        }
        if node.op in ("Softmax", "LogSoftmax", "LayerNormalization", "RMSNormalization"):
            found["axis"] = self._axis(node)
        if node.op == "Split":
            found["outputs"] = len(node.outputs)
        if node.op == "Cast" and node.attribute("to") not in CASTS:
            raise UninterpretableError("it casts to a type that isn't interpreted")
        if node.op == "BatchNormalization" and node.attribute("training_mode", 0):
            raise UninterpretableError("its batch norm is in training mode")
        return found

    def _axis(self, node: Node) -> int:
        rank = self.flow.probe.rank(node.outputs[0])
        if rank is None:
            raise UninterpretableError(f"it has {node.op} of an unknown shape")
        soft = node.op in ("Softmax", "LogSoftmax")
        former = soft and self.flow.graph.opset < 13
        axis = int(node.attribute("axis", 1 if former else -1))
        axis = axis - rank if axis >= 0 else axis
        # Up to version 12, softmax flattened its input to two dimensions first.
        if former and axis != -1:
            raise UninterpretableError(f"it has {node.op} over several dimensions")
        return axis


def unknown_operator(op: str) -> str:
    """Why a model with the operator ``op`` is opaque."""
    return f"it has the operator {op.rpartition('.')[2]}, with which no network is cut"


def as_plain(layer: LayerDescription) -> dict[str, Any]:
    """A layer as plain JSON."""
    return asdict(layer)
