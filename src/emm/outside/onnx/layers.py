"""The layers of an ONNX network in the terms in which all networks are compared."""

import re
from collections.abc import Mapping

from torch import nn

from emm.nn.structure import Layer, Structure
from emm.outside.onnx.network import Step
from emm.outside.onnx.operators import MIXING
from emm.outside.onnx.recognise import activation, layer_norm, short
from emm.outside.onnx.written import Written

FRONT = "Front"


def front(name: str, width: int) -> Layer:
    """What comes before the first cut: encoders and embeddings; ``width``: of its output."""
    return Layer(name, Structure(FRONT, (), (width,), ""), linear=True)


def layer(name: str, written: Written, width: int) -> Layer:
    """A layer that reads a vector of ``width``: as a layer of torch if it is one, else as the list
    of its operators."""
    module = _module(written)
    if module is None:
        kind, details = _kind(written), _canonical(written)
    else:
        kind = type(module).__name__
        details = re.sub(r"(^|, )inplace=(True|False)", "", module.extra_repr())
        rows = written.output[:-1]
        details = f"{details}, rows={list(rows)}" if rows else details
    structure = Structure(kind, ((width,),), (written.width,), details.removeprefix(", "))
    return Layer(name, structure, linear=not MIXING.isdisjoint(written.ops))


def _module(written: Written) -> nn.Module | None:
    """The layer of torch that it is, with the same hyper-parameters; None if it is none."""
    step = written.description.steps[0]
    if step.op in ("MatMul", "Gemm"):
        return _linear(written, step)
    if written.only is not None and step.op == "BatchNormalization":
        epsilon = short(step.attributes.get("epsilon", 1e-5))
        momentum = short(1 - step.attributes.get("momentum", 0.9))
        return nn.BatchNorm1d(written.output[0], epsilon, momentum, device="meta")
    if written.only is not None and step.op == "LayerNormalization":
        size = written.output[-1]
        if step.attributes["axis"] != -1 or len(written.tensors) == 0:
            return None
        epsilon = short(step.attributes.get("epsilon", 1e-5))
        return nn.LayerNorm(size, epsilon, bias=any(step.inputs[2:]), device="meta")
    if written.only is not None and step.op == "PRelu":
        slopes = next(iter(written.tensors.values())).numel() if written.tensors else 1
        return nn.PReLU(slopes, device="meta")
    return activation(written) or layer_norm(written)


def _linear(written: Written, step: Step) -> nn.Module | None:
    """x W + b, as one product with its bias or followed by it."""
    shape = written.description.shape
    ops, weights = written.ops, list(written.tensors.values())
    transposed = {"alpha", "beta", "transA"} & set(step.attributes)
    if ops not in (("MatMul",), ("Gemm",), ("MatMul", "Add"), ("Gemm", "Add")) or transposed:
        return None
    if step.inputs[0] != "x" or not weights or weights[0].dim() != 2:
        return None
    count = len(ops) + sum(x is not None for x in step.inputs[2:])
    return nn.Linear(shape[-1], written.output[-1], bias=count == 2, device="meta")


def _kind(written: Written) -> str:
    """The operators in their order, the middle ones of a long list left out."""
    ops = written.ops
    if len(ops) <= 8:
        return "+".join(ops)
    return f"{'+'.join(ops[:4])}+{len(ops) - 6} more+{'+'.join(ops[-2:])}"


def _canonical(written: Written) -> str:
    """The operators with their settings, the shapes of their weights, and how they are joined."""
    description = written.description
    shapes = {**description.weights, **description.buffers}
    return "; ".join(_step(step, shapes) for step in description.steps)


def _step(step: Step, shapes: Mapping[str, tuple[int, ...]]) -> str:
    inputs = []
    for each in step.inputs:
        if isinstance(each, str) and each in shapes:
            inputs.append(f"{each}{list(shapes[each])}")
        elif isinstance(each, Mapping):
            inputs.append(str(each.get("values", each.get("sizes"))))
        else:
            inputs.append(each or "-")
    settings = "".join(f" {key}={step.attributes[key]}" for key in sorted(step.attributes))
    return f"{','.join(step.outputs)}={step.op}({', '.join(inputs)}){settings}"
