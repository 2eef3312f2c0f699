"""A model as a chain of layers, each with its structure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from emm.nn.inputs import Inputs

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Structure:
    """What must agree for two layers to count as the same: type, shapes without the batch, and
    structural hyper-parameters; not the weights."""

    kind: str
    inputs: tuple[Shape, ...]
    output: Shape
    details: str

    def __str__(self) -> str:
        shapes = ", ".join(str(list(shape)) for shape in self.inputs)
        return f"{self.kind} {shapes} -> {list(self.output)}"


@dataclass(frozen=True)
class Layer:
    """One layer of a chain: its dotted name in the model, its structure, and if it has weights."""

    name: str
    structure: Structure
    weighted: bool


def chain(model: nn.Module, parts: Sequence[str]) -> list[tuple[str, nn.Module]]:
    """Named layers in execution order: ``parts`` are attributes called one after the other, and
    nested Sequentials among them are flattened."""
    found: list[tuple[str, nn.Module]] = []
    for part in parts:
        module = model.get_submodule(part)
        if isinstance(module, nn.Sequential):
            found.extend(chain(model, [f"{part}.{name}" for name, _ in module.named_children()]))
        else:
            found.append((part, module))
    return found


@torch.no_grad()
def describe_chain(
    layers: Sequence[tuple[str, nn.Module]], inputs: Inputs, rows: int = 2
) -> list[Layer]:
    """Structures of a chain, found by sending ``rows`` rows through it in eval mode."""
    values: tuple[Tensor, ...] = (
        torch.zeros(rows, inputs.dense),
        torch.zeros(rows, len(inputs.cardinalities), dtype=torch.int32),
    )
    described = []
    for name, module in layers:
        output: Tensor = module.eval()(*values)
        structure = Structure(
            kind=type(module).__name__,
            inputs=tuple(tuple(value.shape[1:]) for value in values),
            output=tuple(output.shape[1:]),
            details=module.extra_repr(),
        )
        described.append(Layer(name, structure, any(True for _ in module.parameters())))
        values = (output,)
    return described


class Component(nn.Module):
    """A run of layers called one after the other; the first takes all inputs."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, *inputs: Any) -> Any:
        first, *rest = self.layers
        value = first(*inputs)
        for layer in rest:
            value = layer(value)
        return value
