"""The layers of an ONNX network in torch, rebuilt from a plain description and weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from emm.config.binding import bind
from emm.core.errors import ModelFileError
from emm.outside.onnx.operators import OPERATORS
from emm.outside.onnx.values import DTYPES, Constant, Value

MAX_LAYERS, MAX_STEPS, MAX_VALUES = 10_000, 100_000, 1 << 28

INPUT = "x"
"""The name of a layer's input within it."""


@dataclass(frozen=True)
class Step:
    """An operator of a layer.

    ``inputs``: names of the layer's weights and of tensors made before; None if one is left out;
    a mapping with ``values``, ``shape`` and ``dtype`` for a constant; or one with ``sizes`` and
    ``rank`` for integers a B + c that depend on the number of rows B.
    """

    op: str
    inputs: tuple[str | Mapping[str, Any] | None, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LayerDescription:
    """A layer: ``shape``: that of its input without the rows; ``output``: the tensor it gives;
    ``weights``, ``buffers``: the shapes of what learns and of what doesn't, by name.

    A layer without steps is one of those in front of the scored input: it passes that on.
    """

    shape: tuple[int, ...] = ()
    steps: tuple[Step, ...] = ()
    output: str = INPUT
    weights: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    buffers: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class NetworkDescription:
    """The layers of a network in order; ``width``: H1, that of the scored input."""

    width: int
    layers: tuple[LayerDescription, ...]


class OnnxLayers(nn.Module):
    """The layers of a network that was cut: scored input [B, H1] -> logits [B, K].

    ``description``: a `NetworkDescription` as plain JSON. Its layers are called ``layers.0``,
    ``layers.1`` and so on; the first ones, front and first unit, pass the scored input on.
    Raises ModelFileError for a damaged description, or one with an unknown operator.
    """

    def __init__(self, description: Mapping[str, Any]) -> None:
        super().__init__()
        errors: list[str] = []
        found: NetworkDescription = bind(NetworkDescription, description, "description", errors)
        errors = errors or _faults(found)
        if errors:
            raise ModelFileError(
                f"the description of an ONNX network is damaged: {'; '.join(errors[:3])}",
                next_step="dvc checkout to restore it, or dvc repro score",
            )
        self.scored_width = found.width
        self.layers = nn.ModuleList(OnnxLayer(each) for each in found.layers)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class OnnxLayer(nn.Module):
    """Operators between two tensors of one vector per row: [B, H] -> [B, H']."""

    def __init__(self, description: LayerDescription) -> None:
        super().__init__()
        self.description = description
        for name, shape in description.weights.items():
            self.register_parameter(name, nn.Parameter(torch.zeros(shape)))
        for name, shape in description.buffers.items():
            self.register_buffer(name, torch.zeros(shape))

    def forward(self, x: Tensor) -> Tensor:
        if not self.description.steps:
            return x
        rows = x.shape[0]
        # Unflattening by the sizes, not by -1, also works without rows.
        known: dict[str, Value] = {INPUT: x.reshape(rows, *self.description.shape)}
        known.update(self.named_parameters(recurse=False))
        known.update(self.named_buffers(recurse=False))
        for step in self.description.steps:
            inputs = [_value(each, known, rows) for each in step.inputs]
            outputs: Any = OPERATORS[step.op](inputs, step.attributes)
            outputs = outputs if isinstance(outputs, tuple) else (outputs,)
            known.update(zip(step.outputs, outputs, strict=False))
        result = known[self.description.output]
        if not isinstance(result, Tensor):
            raise TypeError("a layer gives no tensor")
        return result.reshape(rows, prod(result.shape[1:]))


def _value(given: str | Mapping[str, Any] | None, known: Mapping[str, Value], rows: int) -> Value:
    if given is None:
        return None
    if isinstance(given, str):
        return known[given]
    if "sizes" in given:
        sizes = tuple(a * rows + c for a, c in given["sizes"])
        return Constant(sizes, (len(sizes),) if given["rank"] else (), "int64")
    return Constant(tuple(given["values"]), tuple(given["shape"]), given["dtype"])


def _faults(network: NetworkDescription) -> list[str]:
    """What is wrong with a description, before anything is built of it."""
    steps = [step for layer in network.layers for step in layer.steps]
    shapes = [
        shape
        for layer in network.layers
        for shape in [*layer.weights.values(), *layer.buffers.values(), layer.shape]
    ]
    if len(network.layers) > MAX_LAYERS or len(steps) > MAX_STEPS:
        return ["it has too many layers"]
    if any(min(shape, default=1) < 0 for shape in shapes) or sum(map(prod, shapes)) > MAX_VALUES:
        return ["it has weights of impossible sizes"]
    unknown = next((step.op for step in steps if step.op not in OPERATORS), None)
    if unknown is not None:
        return [f"it has the unknown operator {unknown}"]
    return [fault for layer in network.layers for fault in _unknown_names(layer)]


def _unknown_names(layer: LayerDescription) -> list[str]:
    known = {INPUT, *layer.weights, *layer.buffers}
    odd = [name for name in known - {INPUT} if not name.isidentifier() or hasattr(nn.Module, name)]
    for step in layer.steps:
        for each in step.inputs:
            if isinstance(each, str):
                odd += [] if each in known else [each]
            elif each is not None and not _is_constant(each):
                odd.append(str(each)[:60])
        known.update(step.outputs)
    odd += [] if layer.output in known else [layer.output]
    return [f"{name} is unknown in it" for name in odd]


def _is_constant(given: Mapping[str, Any]) -> bool:
    if set(given) == {"sizes", "rank"}:
        return _are(given["sizes"], list | tuple) and all(
            len(pair) == 2 and _are(pair, int) for pair in given["sizes"]
        )
    return (
        set(given) == {"values", "shape", "dtype"}
        and given["dtype"] in DTYPES
        and _are(given["values"], int | float)
        and _are(given["shape"], int)
        and prod(given["shape"]) == len(given["values"])
    )


def _are(values: Any, kind: Any) -> bool:
    return isinstance(values, Sequence) and all(isinstance(each, kind) for each in values)
