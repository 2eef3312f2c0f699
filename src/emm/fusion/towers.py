"""Where the tower of a network begins, and what its last layer has to return."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from emm.core.errors import DecompositionError
from emm.fusion.layers import Trace, trace
from emm.fusion.members import FACTORY
from emm.fusion.trained_models import TrainedNetwork, TrainedTrees
from emm.nn.inputs import Inputs
from emm.nn.structure import Layer

EXPORT = (
    "or export the network to ONNX: "
    "`rows = (torch.zeros(2, D), torch.zeros(2, F, dtype=torch.int32))`, "
    "`torch.onnx.export(model.eval(), rows, 'pool/NAME.onnx', input_names=['dense', 'sparse'], "
    "dynamic_shapes=[{0: 'rows'}, {0: 'rows'}])`, and write `model: pool/NAME.onnx` and "
    "`columns: encoded` instead of factory and weights"
)
"""The way out for a network whose forward does more than calling its modules."""

_OF_LOGITS = (nn.Sigmoid, nn.LogSigmoid)
_OF_CLASSES = (nn.Softmax, nn.LogSoftmax)


@dataclass(frozen=True)
class Parts:
    """The layers of a network before its tower, those of its tower, and the module that turns its
    logits into probabilities, which is no part of either."""

    trunk: tuple[Layer, ...]
    tower: tuple[Layer, ...]
    ending: nn.Module | None = None


def parts_of(network: TrainedNetwork, inputs: Inputs, outputs: int, *, regression: bool) -> Parts:
    """Divide a network at its tower.

    A final sigmoid of a network from outside, or a softmax of classes, is cut off, so that it
    returns logits; not for a ``regression``. ``outputs``: number of logits of its task. Raises
    DecompositionError if it is no chain of layers, has another tower or other outputs.
    """
    traced = (
        Trace(network.layers, {}, ())
        if network.layers
        else trace(network.model, inputs, network.name)
    )
    ending = None if regression else _ending(network, traced.layers, outputs)
    layers = traced.layers[:-1] if ending else traced.layers
    if network.tower is None:
        starts = [number for number, layer in enumerate(layers) if layer.linear][-1:]
    else:
        name, prefix = network.tower, f"{network.tower}."
        starts = [
            number
            for number, layer in enumerate(layers)
            if layer.name == name or layer.name.startswith(prefix)
        ]
    if not starts or starts[0] < 2:
        raise _no_chain(network, traced)
    return Parts(layers[: starts[0]], layers[starts[0] :], ending)


def _ending(network: TrainedNetwork, layers: Sequence[Layer], outputs: int) -> nn.Module | None:
    if network.architecture != FACTORY or len(layers) < 2:
        return None
    last = network.model.get_submodule(layers[-1].name)
    return last if isinstance(last, _OF_LOGITS if outputs == 1 else _OF_CLASSES) else None


def _no_chain(network: TrainedNetwork, traced: Trace) -> DecompositionError:
    layers = traced.layers
    chain = " -> ".join(layer.name or "the model as a whole" for layer in layers)
    reasons = [
        f"the forward of {layer.name or 'the model'} {traced.whole[layer.name]}"
        for layer in layers
        if layer.name in traced.whole
    ]
    expected = f"modules called one after the other, then {network.tower or 'a last layer'}"
    return DecompositionError(
        f"{network.name} is not a chain of layers with a tower",
        where=network.name,
        got="; ".join([chain, *reasons[-1:]]),
        expected=expected,
        next_step=f"replace functional calls between its layers by modules, {EXPORT}",
    )


def require_outputs(
    model: TrainedNetwork | TrainedTrees, found: tuple[int, ...], task: str, expected: int
) -> None:
    """``found``: shape of the model's output without the rows; ``expected``: number of logits."""
    if found == (expected,):
        return
    layer = "one output" if expected == 1 else f"{expected} outputs"
    next_step = f"name a model of {task} whose last layer has {layer}"
    if expected > 1:
        next_step += ", in the order of the classes in schema.json"
    elif not found:
        next_step = "take out what removes the last dimension: nn.Flatten(0), squeeze() or view(-1)"
    elif found == (2,):
        next_step += (
            ": for a last layer of two logits, nn.Linear(H, 1) with the weight and bias "
            "`w[1:] - w[:1]` and `b[1:] - b[:1]` of the trained one"
        )
    raise DecompositionError(
        f"the output of {model.name} doesn't fit its task",
        where=model.name,
        got=f"an output of the shape {['rows', *found]}".replace("'", ""),
        expected=f"[rows, {expected}]"
        + (f", one column per class of {task}" if expected > 1 else f", the logit of {task}"),
        next_step=next_step,
    )
