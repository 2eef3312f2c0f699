"""ONNX operators that work on each element by itself, in torch."""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from emm.outside.onnx.values import Constant, Value, as_tensor, tensors

Attributes = Mapping[str, Any]
Operator = Callable[[Sequence[Value], Attributes], Tensor]


def _unary(function: Callable[[Tensor], Tensor]) -> Operator:
    return lambda inputs, _: function(*tensors(inputs[0]))


def _with(function: Callable[..., Tensor], **names: Any) -> Operator:
    """``function(x, KEYWORD=attribute)``; ``names``: attribute and default by keyword."""

    def operator(inputs: Sequence[Value], attributes: Attributes) -> Tensor:
        given = {key: attributes.get(name, default) for key, (name, default) in names.items()}
        return function(*tensors(inputs[0]), **given)

    return operator


def _binary(function: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    return lambda inputs, _: function(*tensors(*inputs))


def _variadic(function: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    return lambda inputs, _: reduce(function, tensors(*inputs))


def _gelu(x: Tensor, approximate: str) -> Tensor:
    return functional.gelu(x, approximate=approximate)


def _elu(x: Tensor, alpha: float) -> Tensor:
    return functional.elu(x, alpha)


def _selu(x: Tensor, alpha: float, gamma: float) -> Tensor:
    return gamma * functional.elu(x, alpha)


def _hard_sigmoid(x: Tensor, alpha: float, beta: float) -> Tensor:
    return torch.clamp(alpha * x + beta, 0, 1)


def _swish(x: Tensor, alpha: float) -> Tensor:
    return x * torch.sigmoid(alpha * x)


def _prelu(inputs: Sequence[Value], _: Attributes) -> Tensor:
    x, slope = tensors(*inputs)
    return torch.where(x < 0, slope * x, x)


def _clip(inputs: Sequence[Value], attributes: Attributes) -> Tensor:
    x = tensors(inputs[0])[0]
    low, high = [*inputs[1:], None, None][:2]
    for value, name in ((low, "min"), (high, "max")):
        bound = torch.minimum if name == "max" else torch.maximum
        if value is not None:
            x = bound(x, as_tensor(value, x))
        elif attributes.get(name) is not None:
            x = bound(x, x.new_tensor(attributes[name]))
    return x


def _cast(inputs: Sequence[Value], attributes: Attributes) -> Tensor:
    """To integers, to bool, or to numbers, which keep one precision throughout."""
    x = tensors(inputs[0])[0]
    to = CASTS[attributes["to"]]
    if to.is_floating_point:
        return x if x.is_floating_point() else x.to(torch.float32)
    return x.to(to)


def _where(inputs: Sequence[Value], _: Attributes) -> Tensor:
    condition, left, right = inputs
    like = next(x for x in (left, right, condition) if isinstance(x, Tensor))
    left, right = as_tensor(left, like), as_tensor(right, like)
    return torch.where(as_tensor(condition, like).bool(), left, right)


def _mean(inputs: Sequence[Value], _: Attributes) -> Tensor:
    return reduce(torch.add, tensors(*inputs)) / len(inputs)


def _divide(left: Tensor, right: Tensor) -> Tensor:
    if left.is_floating_point() or right.is_floating_point():
        return left / right
    return torch.div(left, right, rounding_mode="trunc")


def _constant_of_shape(inputs: Sequence[Value], attributes: Attributes) -> Tensor:
    (sizes,) = inputs
    if not isinstance(sizes, Constant):
        raise TypeError("the sizes of ConstantOfShape have to be constants")
    return torch.full([int(size) for size in sizes.values], attributes.get("value") or 0.0)


# TensorProto's numbers of the types that a cast may have.
CASTS = {
    1: torch.float32,
    10: torch.float32,
    11: torch.float32,
    6: torch.int64,
    7: torch.int64,
    9: torch.bool,
}

ELEMENTWISE: Mapping[str, Operator] = {
    "Abs": _unary(torch.abs),
    "Add": _binary(torch.add),
    "And": _binary(torch.logical_and),
    "Cast": _cast,
    "Clip": _clip,
    "ConstantOfShape": _constant_of_shape,
    "Div": _binary(_divide),
    "Dropout": _unary(lambda x: x),
    "Elu": _with(_elu, alpha=("alpha", 1.0)),
    "Equal": _binary(torch.eq),
    "Erf": _unary(torch.erf),
    "Exp": _unary(torch.exp),
    "Gelu": _with(_gelu, approximate=("approximate", "none")),
    "Greater": _binary(torch.gt),
    "GreaterOrEqual": _binary(torch.ge),
    "HardSigmoid": _with(_hard_sigmoid, alpha=("alpha", 0.2), beta=("beta", 0.5)),
    "HardSwish": _unary(functional.hardswish),
    "Identity": _unary(lambda x: x),
    "LeakyRelu": _with(functional.leaky_relu, negative_slope=("alpha", 0.01)),
    "Less": _binary(torch.lt),
    "LessOrEqual": _binary(torch.le),
    "Log": _unary(torch.log),
    "Max": _variadic(torch.maximum),
    "Mean": _mean,
    "Min": _variadic(torch.minimum),
    "Mish": _unary(functional.mish),
    "Mul": _binary(torch.mul),
    "Neg": _unary(torch.neg),
    "Not": _unary(torch.logical_not),
    "Or": _binary(torch.logical_or),
    "PRelu": _prelu,
    "Pow": _binary(torch.pow),
    "Reciprocal": _unary(torch.reciprocal),
    "Relu": _unary(torch.relu),
    "Selu": _with(_selu, alpha=("alpha", 1.6732632423543772), gamma=("gamma", 1.0507009873554805)),
    "Sigmoid": _unary(torch.sigmoid),
    "Softplus": _unary(functional.softplus),
    "Softsign": _unary(functional.softsign),
    "Sqrt": _unary(torch.sqrt),
    "Sub": _binary(torch.sub),
    "Sum": _variadic(torch.add),
    "Swish": _with(_swish, alpha=("alpha", 1.0)),
    "Tanh": _unary(torch.tanh),
    "Where": _where,
}
