"""A model as a chain of layers, found by tracing its calls."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase as BatchOrInstanceNorm
from torch.nn.modules.dropout import _DropoutNd as AnyDropout

from emm.core.errors import DecompositionError
from emm.fusion.calls import Call, FunctionCall, Obstacle, described, recording
from emm.nn.bags import BagStore, attach_bags
from emm.nn.inputs import Inputs
from emm.nn.structure import Layer, Structure

NORMS = (BatchOrInstanceNorm, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


@dataclass(frozen=True)
class Trace:
    """The layers of a network in execution order.

    ``whole``: for each layer that calls modules of its own and can't be divided into them, by name,
    what it does besides calling them in turn. ``dropped``: what the divided modules do besides
    that, which components don't repeat.
    """

    layers: tuple[Layer, ...]
    whole: Mapping[str, Obstacle]
    dropped: tuple[FunctionCall, ...]


def trace_layers(model: nn.Module, inputs: Inputs, name: str = "the network") -> list[Layer]:
    """The layers of a network, see `trace`."""
    return [*trace(model, inputs, name).layers]


@torch.no_grad()
def trace(model: nn.Module, inputs: Inputs, name: str = "the network") -> Trace:
    """Find the layers of ``model``, called ``name`` in errors, by running it on two rows.

    It runs in eval mode. A module that calls its submodules one after the other, each with the
    output of the one before, is replaced by them: nested Sequentials, and attributes called in
    turn. A module with anything else inside, such as the branches of an embedding front or
    functional calls, is one layer. Raises DecompositionError if the model can't run, or if a layer
    doesn't return one tensor with these rows.
    """
    device = device_of(model)
    rows = (
        torch.zeros(2, inputs.dense, device=device),
        torch.zeros(2, inputs.sparse, dtype=torch.int32, device=device),
    )
    attach_bags(model, BagStore.empty(len(inputs.bags)).to(device))
    training = model.training
    with recording(model) as calls:
        run(model.eval(), rows, name)
    model.train(training)
    found = calls[0].layers()
    obstacles = ((call.name, call.obstacle()) for call in found if call.inner)
    dropped = [each for call in calls[0].unfolded() for each in call.functions]
    return Trace(
        tuple(_layer(call, name) for call in found),
        {layer: obstacle for layer, obstacle in obstacles if obstacle},
        tuple(dropped),
    )


def device_of(model: nn.Module) -> torch.device:
    """Where the weights of ``model`` are."""
    weight = next(model.parameters(), None)
    return torch.device("cpu") if weight is None else weight.device


def run(model: nn.Module, rows: tuple[Tensor, ...], name: str) -> Any:
    """The output of ``model`` for ``rows``, which it can't change; DecompositionError if it fails.

    ``name``: that of the model in the error.
    """
    try:
        return model(*(column.clone() for column in rows))
    except Exception as error:  # the model's own code may raise anything
        shapes = " and ".join(f"{list(column.shape)}" for column in rows)
        raise DecompositionError(
            f"{name} can't be run: {type(error).__name__}: {error}",
            where=name,
            got=f"an error for inputs of the shapes {shapes}",
            expected=f"one output for each of the {len(rows[0])} rows",
            next_step="correct the network, or name the weights that belong to it",
        ) from error


def _layer(call: Call, name: str) -> Layer:
    layer = call.name or "its forward"
    if not isinstance(call.output, Tensor):
        raise DecompositionError(
            f"{layer} of {name} returns {described(call.output)}",
            where=name,
            expected="one tensor",
            next_step="return only the tensor that the next layer reads, or for the last layer the "
            "logits",
        )
    if call.output.dim() == 0 or len(call.output) != len(call.inputs[0]):
        raise DecompositionError(
            f"{layer} of {name} doesn't keep the rows apart",
            where=name,
            got=f"an output of the shape {list(call.output.shape)} for {len(call.inputs[0])} rows",
            expected="the rows as the first dimension",
            next_step="flatten from dimension 1 on, as nn.Flatten() does, instead of nn.Flatten(0)",
        )
    structure = Structure(
        kind=type(call.module).__name__,
        inputs=tuple(tuple(x.shape[1:]) for x in call.inputs if isinstance(x, Tensor)),
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
