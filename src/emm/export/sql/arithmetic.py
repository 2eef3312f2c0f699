"""Numbers of expressions: arithmetic and functions of one number."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from emm.export.nodes import Nodes
from emm.export.sql.values import (
    NotExpressibleError,
    Value,
    alike,
    as_decimal,
    as_number,
    either,
    size_of,
    where,
)

OPERATORS = {"Plus": "Add", "Minus": "Sub", "Multiply": "Mul", "Mul": "Mul"}


def arithmetic(nodes: Nodes, op: str, left: Value, right: Value) -> Value:
    """The sum, difference or product of two numbers, named as in ONNX."""
    _require_numbers(left, right)
    missing = either(nodes, left.missing, right.missing)
    kinds = {left.kind, right.kind}
    if left.is_null or right.is_null:
        other = right if left.is_null else left
        return replace(other, missing=missing, literal=None)
    if "number" in kinds:
        both = [as_number(nodes, each).tensor for each in (left, right)]
        return Value(nodes.add(op, both), "number", missing)
    if "decimal" in kinds:
        return replace(_decimal(nodes, op, left, right), missing=missing)
    bits, signed = size_of([left, right])
    found = nodes.add(op, [left.tensor, right.tensor])
    return Value(_wrapped(nodes, found, bits, signed=signed), "integer", missing, bits, signed)


def _decimal(nodes: Nodes, op: str, left: Value, right: Value) -> Value:
    if op == "Mul":
        pair = [as_decimal(nodes, each, each.scale).tensor for each in (left, right)]
        if left.kind == right.kind:
            raise NotExpressibleError("the product of two decimal numbers; CAST one AS DOUBLE")
        return Value(nodes.add(op, pair), "decimal", scale=left.scale + right.scale)
    scale = max(left.scale, right.scale)
    pair = [as_decimal(nodes, each, scale).tensor for each in (left, right)]
    return Value(nodes.add(op, pair), "decimal", scale=scale)


def quotient(nodes: Nodes, left: Value, right: Value) -> Value:
    """A fraction of two numbers."""
    _require_numbers(left, right)
    if "decimal" in {left.kind, right.kind} and "number" not in {left.kind, right.kind}:
        raise NotExpressibleError("a fraction of decimal numbers; CAST one AS DOUBLE")
    both = [as_number(nodes, each).tensor for each in (left, right)]
    return Value(nodes.add("Div", both), "number", either(nodes, left.missing, right.missing))


def remainder(nodes: Nodes, left: Value, right: Value) -> Value:
    """The remainder, with the sign of the first; NULL for whole numbers by zero."""
    _require_numbers(left, right)
    if {left.kind, right.kind} == {"integer"}:
        return _whole_division(nodes, "Mod", left, right)
    if "number" not in {left.kind, right.kind}:
        raise NotExpressibleError("the remainder of decimal numbers; CAST one AS DOUBLE")
    both = [as_number(nodes, each).tensor for each in (left, right)]
    missing = either(nodes, left.missing, right.missing)
    return Value(nodes.add("Mod", both, fmod=1), "number", missing)


def whole_quotient(nodes: Nodes, left: Value, right: Value) -> Value:
    """The quotient of whole numbers, rounded towards zero; NULL by zero."""
    if {left.kind, right.kind} != {"integer"}:
        raise NotExpressibleError("DIV of fractions; use FLOOR(a / b)")
    return _whole_division(nodes, "Div", left, right)


def _whole_division(nodes: Nodes, op: str, left: Value, right: Value) -> Value:
    zero, one, least = (_whole(nodes, number) for number in (0, 1, -1))
    by_zero = nodes.add("Equal", [right.tensor, zero])
    # The least number has no opposite: a processor stops at its quotient by -1.
    opposite = nodes.add("Equal", [right.tensor, least])
    skipped = nodes.add("Or", [by_zero, opposite])
    safe = where(nodes, skipped, one, right.tensor)
    bits, signed = size_of([left, right])
    if op == "Mod":
        found = nodes.add("Mod", [left.tensor, safe], fmod=1)
        found = where(nodes, opposite, zero, found)
    else:
        found = nodes.add("Div", [left.tensor, safe])
        found = where(nodes, opposite, nodes.add("Neg", [left.tensor]), found)
    missing = either(nodes, left.missing, right.missing, by_zero)
    return Value(_wrapped(nodes, found, bits, signed=signed), "integer", missing, bits, signed)


def _wrapped(nodes: Nodes, tensor: str, bits: int, *, signed: bool) -> str:
    """Whole numbers of fewer bits than 64, which overflow."""
    if bits == 64:
        return tensor
    size, half = _whole(nodes, 2**bits), _whole(nodes, 2 ** (bits - 1) if signed else 0)
    inside = nodes.add("Mod", [nodes.add("Add", [tensor, half]), size])
    return nodes.add("Sub", [inside, half])


def rounded(nodes: Nodes, value: Value, decimals: int) -> Value:
    """A number with so many decimals; halves become even."""
    if value.kind == "integer":
        return value
    if value.kind == "decimal" or decimals:
        raise NotExpressibleError("ROUND to decimals; only to whole numbers")
    return replace(value, tensor=nodes.add("Round", [value.tensor]))


def logarithm(nodes: Nodes, value: Value, base: Value) -> Value:
    """The logarithm to a base that is a literal."""
    number = as_number(nodes, value)
    found = nodes.add("Log", [number.tensor])
    if not isinstance(base.literal, int | float):
        raise NotExpressibleError("a logarithm whose base is a column")
    if base.literal != np.e:
        found = nodes.add("Div", [found, _double(nodes, float(np.log(base.literal)))])
    return Value(found, "number", value.missing)


def power(nodes: Nodes, value: Value, exponent: Value) -> Value:
    """A power of a fraction."""
    if value.kind != "number":
        raise NotExpressibleError("POW of whole numbers; CAST the base AS DOUBLE")
    both = [value.tensor, as_number(nodes, exponent).tensor]
    return Value(nodes.add("Pow", both), "number", either(nodes, value.missing, exponent.missing))


def _log1p(nodes: Nodes, x: str) -> str:
    """ln(1 + x) also for small x: log(u) x / (u - 1) with u = 1 + x (Kahan)."""
    one = _double(nodes, 1.0)
    above = nodes.add("Add", [one, x])
    rest = nodes.add("Sub", [above, one])
    tiny = nodes.add("Equal", [rest, _double(nodes, 0.0)])
    far = nodes.add("Equal", [nodes.add("Abs", [x]), _double(nodes, np.inf)])
    plain = nodes.add("Log", [above])
    found = nodes.add("Div", [nodes.add("Mul", [plain, x]), where(nodes, tiny, one, rest)])
    return where(nodes, tiny, x, where(nodes, far, plain, found))


def _operator(op: str) -> Callable[[Nodes, str], str]:
    return lambda nodes, tensor: nodes.add(op, [tensor])


OF_NUMBERS: Mapping[str, Callable[[Nodes, str], str]] = {
    "Exp": _operator("Exp"),
    "Sqrt": _operator("Sqrt"),
    "Log1p": _log1p,
}
"""Functions whose values are fractions."""

OF_ANY: Mapping[str, str] = {"Abs": "Abs", "Sign": "Sign", "Floor": "Floor", "Ceil": "Ceil"}
"""Functions whose values are of their arguments' kind."""


def function(nodes: Nodes, name: str, value: Value) -> Value:
    """A function of one number by its name in Polars."""
    _require_numbers(value)
    if name in OF_NUMBERS:
        number = as_number(nodes, value)
        return Value(OF_NUMBERS[name](nodes, number.tensor), "number", value.missing)
    if value.kind == "decimal":
        raise NotExpressibleError(f"{name} of decimal numbers; CAST them AS DOUBLE")
    if value.kind == "integer" and name in ("Floor", "Ceil"):
        return value
    return replace(value, tensor=nodes.add(OF_ANY[name], [value.tensor]), literal=None)


def extreme(nodes: Nodes, op: str, values: Sequence[Value]) -> Value:
    """The greatest or least of some numbers, without those that are missing."""
    _require_numbers(*values)
    every = alike(nodes, [each for each in values if not each.is_null])
    if every[0].kind == "decimal":
        every = [as_number(nodes, each) for each in every]
    found = every[0]
    for each in every[1:]:
        found = _extreme_of_two(nodes, op, found, each)
    return replace(found, literal=None)


def _extreme_of_two(nodes: Nodes, op: str, left: Value, right: Value) -> Value:
    first, second = left.tensor, right.tensor
    if left.kind == "number":
        # A number counts more than NaN.
        first = where(nodes, nodes.add("IsNaN", [left.tensor]), right.tensor, left.tensor)
        second = where(nodes, nodes.add("IsNaN", [right.tensor]), left.tensor, right.tensor)
    found = nodes.add(op, [first, second])
    if left.missing is not None:
        found = where(nodes, left.missing, right.tensor, found)
    if right.missing is not None:
        found = where(nodes, right.missing, left.tensor, found)
    missing = None
    if left.missing is not None and right.missing is not None:
        missing = nodes.add("And", [left.missing, right.missing])
    return replace(left, tensor=found, missing=missing)


def _require_numbers(*values: Value) -> None:
    for each in values:
        if each.kind in ("text", "truth") and not each.is_null:
            raise NotExpressibleError(f"arithmetic of {each.kind}; CAST it")


def _whole(nodes: Nodes, value: int) -> str:
    return nodes.constant(np.array(value, np.int64))


def _double(nodes: Nodes, value: float) -> str:
    return nodes.constant(np.array(value, np.float64))
