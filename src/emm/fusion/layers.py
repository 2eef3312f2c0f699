"""A model as a chain of layers, each with its structure."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from emm.nn.bags import BagStore, attach_bags
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


@dataclass
class _Call:
    """One call of a module while the model ran, with the calls made inside of it."""

    name: str
    module: nn.Module
    inputs: tuple[Any, ...]
    output: Any = None
    inner: list["_Call"] = field(default_factory=list)

    def is_chain(self) -> bool:
        """Whether the calls inside hand on one tensor each, from the input to the output."""
        if not self.inner:
            return False
        given: tuple[Any, ...] = self.inputs
        for call in self.inner:
            if len(call.inputs) != len(given) or any(
                a is not b for a, b in zip(call.inputs, given, strict=True)
            ):
                return False
            given = (call.output,)
        return given[0] is self.output

    def unfold(self) -> list["_Call"]:
        """The innermost calls of the chain; a call that is no chain stays whole."""
        return (
            [part for call in self.inner for part in call.unfold()] if self.is_chain() else [self]
        )


@torch.no_grad()
def unfold(model: nn.Module, inputs: Inputs) -> list[Layer]:
    """Layers of ``model`` in execution order, found by running it on two rows in eval mode.

    A module whose parts are called one after the other, each on what the one before gave, is
    unfolded into them: Sequentials however nested, and attributes called in turn. Whatever else
    happens inside a module (branches, as in an embedding front, or functional calls) stays one
    layer.
    """
    rows = (
        torch.zeros(2, inputs.dense),
        torch.zeros(2, inputs.sparse, dtype=torch.int32),
    )
    attach_bags(model, BagStore.empty(len(inputs.bags)))
    training = model.training
    with _recording(model) as calls:
        model.eval()(*rows)
    model.train(training)
    return [_layer(call) for call in calls[0].unfold()]


def _layer(call: _Call) -> Layer:
    structure = Structure(
        kind=type(call.module).__name__,
        inputs=tuple(tuple(value.shape[1:]) for value in call.inputs),
        output=tuple(call.output.shape[1:]),
        details=call.module.extra_repr(),
    )
    return Layer(call.name, structure, any(True for _ in call.module.parameters()))


@contextmanager
def _recording(model: nn.Module) -> Iterator[list[_Call]]:
    """Note every call of ``model`` and the modules in it, as a tree."""
    top = _Call("", nn.Module(), ())
    open_calls = [top]

    def begin(name: str, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        call = _Call(name, module, inputs)
        open_calls[-1].inner.append(call)
        open_calls.append(call)

    def end(output: Any) -> None:
        open_calls.pop().output = output

    with ExitStack() as hooks:
        for name, module in model.named_modules():
            before = module.register_forward_pre_hook(
                lambda module, inputs, name=name: begin(name, module, inputs)
            )
            after = module.register_forward_hook(lambda _module, _inputs, output: end(output))
            hooks.callback(before.remove)
            hooks.callback(after.remove)
        yield top.inner


class Component(nn.Module):
    """A run of layers called one after the other; the first takes all inputs."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, *inputs: Any) -> Tensor:
        first, *rest = self.layers
        value: Tensor = first(*inputs)
        for layer in rest:
            value = layer(value)
        return value
