"""A network as a sequence of layers: what two layers must share to be common."""

from dataclasses import dataclass

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Structure:
    """What two layers must share to be common: type, shapes without the batch dimension, and
    structural hyper-parameters, but neither weights, nor a dropout's rate, nor ``inplace``."""

    kind: str
    inputs: tuple[Shape, ...]
    output: Shape
    details: str

    def __str__(self) -> str:
        shapes = ", ".join(str(list(shape)) for shape in self.inputs)
        return f"{self.kind} {shapes} -> {list(self.output)}"


@dataclass(frozen=True)
class Layer:
    """A layer: its dotted name in the model, its structure, and whether it is linear-like.

    Linear-like layers mix features: linear layers, convolutions, attention, residual blocks.
    Normalisations and activations aren't, with or without weights.
    """

    name: str
    structure: Structure
    linear: bool
