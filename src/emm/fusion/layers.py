"""A model as a chain of layers, found by tracing its calls."""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase as BatchOrInstanceNorm
from torch.nn.modules.dropout import _DropoutNd as AnyDropout

from emm.nn.bags import BagStore, attach_bags
from emm.nn.inputs import Inputs
from emm.nn.structure import Layer, Structure

NORMS = (BatchOrInstanceNorm, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


@dataclass
class _Call:
    """One call of a module during a forward pass, with the calls made inside it."""

    name: str
    module: nn.Module
    inputs: tuple[Any, ...]
    output: Any = None
    inner: list["_Call"] = field(default_factory=list)

    def is_chain(self) -> bool:
        """Whether the inner calls pass one tensor from each to the next, from input to output."""
        if not self.inner:
            return False
        passed: tuple[Any, ...] = self.inputs
        for call in self.inner:
            if len(call.inputs) != len(passed) or any(
                a is not b for a, b in zip(call.inputs, passed, strict=True)
            ):
                return False
            passed = (call.output,)
        return passed[0] is self.output

    def layers(self) -> list["_Call"]:
        """The innermost calls of the chain; a call that is not a chain is one layer."""
        if not self.is_chain():
            return [self]
        return [layer for call in self.inner for layer in call.layers()]


@torch.no_grad()
def trace_layers(model: nn.Module, inputs: Inputs) -> list[Layer]:
    """The layers of ``model`` in execution order, found by running it on two rows in eval mode.

    A module that calls its submodules one after the other, each with the output of the one before,
    is replaced by them: nested Sequentials, and attributes called in turn. A module with anything
    else inside, such as the branches of an embedding front or functional calls, is one layer.
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
    return [_layer(call) for call in calls[0].layers()]


def _layer(call: _Call) -> Layer:
    structure = Structure(
        kind=type(call.module).__name__,
        inputs=tuple(tuple(value.shape[1:]) for value in call.inputs),
        output=tuple(call.output.shape[1:]),
        details=_details(call.module),
    )
    return Layer(call.name, structure, _is_linear(call.module))


def _details(module: nn.Module) -> str:
    """The structural hyper-parameters of ``module``."""
    if isinstance(module, AnyDropout):
        return ""
    return re.sub(r"(^|, )inplace=(True|False)", "", module.extra_repr()).removeprefix(", ")


def _is_linear(module: nn.Module) -> bool:
    """Whether ``module`` or a part of it that is no norm has a weight of two or more dimensions.

    What scales each feature by itself has vectors: norms of any origin, PReLU, learned scales.
    """
    parts = (part for part in module.modules() if not isinstance(part, NORMS))
    return any(weight.dim() > 1 for part in parts for weight in part.parameters(recurse=False))


@contextmanager
def _recording(model: nn.Module) -> Iterator[list[_Call]]:
    """Record every call of ``model`` and its submodules as a tree."""
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
    """Consecutive layers of a model between two cuts; the first layer takes all inputs."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, *inputs: Any) -> Tensor:
        first, *rest = self.layers
        value: Tensor = first(*inputs)
        for layer in rest:
            value = layer(value)
        return value
