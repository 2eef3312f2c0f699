"""Layers of an ONNX network as they are written down, and what joins neighbouring ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

import torch
from torch import Tensor

from emm.nn.structure import Shape
from emm.outside.onnx.describe import LayerWriter
from emm.outside.onnx.elementwise import ELEMENTWISE
from emm.outside.onnx.flow import Flow, Stretch
from emm.outside.onnx.network import INPUT, LayerDescription, OnnxLayer, Step


@dataclass(frozen=True)
class Written:
    """A layer between two boundaries: its description, its weights and its output's shape."""

    description: LayerDescription
    tensors: Mapping[str, Tensor]
    end: str
    output: Shape

    @property
    def ops(self) -> tuple[str, ...]:
        """The names of its operators."""
        return tuple(step.op for step in self.description.steps)

    @property
    def width(self) -> int:
        """The width of its output as one vector per row."""
        return prod(self.output)

    @property
    def only(self) -> Step | None:
        """Its operator if it is the only one."""
        steps = self.description.steps
        return steps[0] if len(steps) == 1 else None

    @property
    def is_plain(self) -> bool:
        """Whether it computes each element from that of its input, without any weights."""
        shapes = self.description.shape == self.output and not self.tensors
        return shapes and all(op in ELEMENTWISE for op in self.ops)

    def module(self) -> OnnxLayer:
        """It as a module, with its weights."""
        module = OnnxLayer(self.description)
        module.load_state_dict(dict(self.tensors))
        return module.eval()

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """Its output [B, H'] for x [B, H]."""
        output: Tensor = self.module()(x)
        return output


def write(flow: Flow, stretch: Stretch) -> Written:
    """Write a stretch down. Raises UninterpretableError."""
    writer = LayerWriter(flow, stretch)
    description = writer.description()
    return Written(description, writer.tensors(), stretch.end.name, stretch.end.shape)


def join(layers: Sequence[Written]) -> Written:
    """Consecutive layers as one."""
    first, *others = layers
    for other in others:
        first = _joined(first, other)
    return first


def _joined(first: Written, second: Written) -> Written:
    left, right = first.description, second.description
    made = sum(len(step.outputs) for step in left.steps)
    held = len(first.tensors)
    names = {INPUT: left.output}
    names |= {name: f"w{held + number}" for number, name in enumerate(second.tensors)}
    renamed = []
    for step in right.steps:
        inputs = tuple(names.get(x, x) if isinstance(x, str) else x for x in step.inputs)
        for name in step.outputs:
            names[name] = f"t{made}"
            made += 1
        renamed.append(replace(step, inputs=inputs, outputs=tuple(names[x] for x in step.outputs)))
    description = LayerDescription(
        left.shape,
        (*left.steps, *renamed),
        names.get(right.output, right.output),
        {**left.weights, **{names[name]: shape for name, shape in right.weights.items()}},
        {**left.buffers, **{names[name]: shape for name, shape in right.buffers.items()}},
    )
    tensors = {**first.tensors, **{names[name]: each for name, each in second.tensors.items()}}
    return Written(description, tensors, second.end, second.output)
