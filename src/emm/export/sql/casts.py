"""CAST of expressions."""

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from emm.export.nodes import Nodes
from emm.export.sql.values import (
    NotExpressibleError,
    Unusable,
    Value,
    as_number,
    as_text,
    constant,
    either,
    negated,
    where,
)

_INTEGER = re.compile(r"(U?)Int(8|16|32|64)$")

WHOLE_TEXT = r"[+-]?0*(?:[0-9]{1,18}|[1-8][0-9]{18})"
"""Text that is a whole number of 64 bits; a few of the largest are left out."""
NUMBER_TEXT = (
    r"[+-]?(?:(?:[0-9]{1,200}\.?[0-9]{0,200}|\.[0-9]{1,200})(?:[eE][+-]?0*[0-9]{1,2})?"
    r"|(?i:inf|infinity|nan))"
)


def cast(nodes: Nodes, value: Value, dtype: str, unusable: Unusable | None) -> Value:
    """A value as another type, named as in Polars.

    ``unusable``: takes where that fails; None if such values are missing.
    """
    if value.is_null:
        return value
    integer = _INTEGER.match(dtype)
    if dtype == "String":
        return as_text(nodes, value)
    if dtype == "Float64":
        return to_number(nodes, value, unusable)
    if dtype == "Boolean" and value.kind in ("integer", "truth"):
        return _to_truth(nodes, value)
    if integer is not None and value.kind != "decimal":
        bits, signed = int(integer.group(2)), not integer.group(1)
        return _to_integer(nodes, value, bits, unusable, signed=signed)
    raise NotExpressibleError(f"CAST of {value.kind} AS {_SQL.get(dtype, dtype)}")


_SQL: Mapping[str, str] = {"Float32": "REAL", "Boolean": "BOOLEAN", "Date": "DATE"}


def _to_truth(nodes: Nodes, value: Value) -> Value:
    if value.kind == "truth":
        return value
    zero = nodes.add("Equal", [value.tensor, nodes.constant(np.array(0))])
    return Value(negated(nodes, zero), "truth", value.missing)


def to_number(nodes: Nodes, value: Value, unusable: Unusable | None) -> Value:
    """A value as a double."""
    if value.kind != "text":
        return as_number(nodes, value)
    read, missing = _read(nodes, value, NUMBER_TEXT, unusable)
    return Value(nodes.cast(read, "DOUBLE"), "number", missing)


def _read(
    nodes: Nodes, value: Value, pattern: str, unusable: Unusable | None
) -> tuple[str, str | None]:
    """Text that has a form, "0" in place of any other, and where a value is missing."""
    fits = nodes.add("RegexFullMatch", [value.tensor], pattern=pattern)
    read = where(nodes, fits, value.tensor, nodes.constant(np.array("0", object)))
    return read, _failed(nodes, value, negated(nodes, fits), unusable)


def _failed(nodes: Nodes, value: Value, bad: str, unusable: Unusable | None) -> str | None:
    """Where a value is missing, after it can't be converted where it is ``bad``."""
    if unusable is None:
        return either(nodes, value.missing, bad)
    if value.missing is not None:
        bad = nodes.add("And", [bad, negated(nodes, value.missing)])
    unusable(bad)
    return value.missing


def _to_integer(
    nodes: Nodes, value: Value, bits: int, unusable: Unusable | None, *, signed: bool
) -> Value:
    if value.kind == "truth":
        return Value(nodes.cast(value.tensor, "INT64"), "integer", value.missing, bits, signed)
    if value.kind == "text":
        read, missing = _read(nodes, value, WHOLE_TEXT, unusable)
        value = Value(nodes.cast(read, "INT64"), "integer", missing)
    if value.kind == "number":
        value = _truncated(nodes, value, unusable)
    if (bits, signed) == (64, True):
        return replace(value, bits=64, signed=True, literal=None)
    least = -(2 ** (bits - 1)) if signed else 0
    largest = min(2 ** (bits - signed), 2**63) - 1
    low, high = (nodes.constant(np.array(each, np.int64)) for each in (least, largest))
    below = nodes.add("Less", [value.tensor, low])
    outside = nodes.add("Or", [below, nodes.add("Less", [high, value.tensor])])
    missing = _failed(nodes, value, outside, unusable)
    return Value(value.tensor, "integer", missing, bits, signed)


def _truncated(nodes: Nodes, value: Value, unusable: Unusable | None) -> Value:
    """A double without its fraction, as int64."""
    limit = nodes.constant(np.array(2.0**63))
    inside = nodes.add("Less", [nodes.add("Abs", [value.tensor]), limit])  # false for NaN
    safe = where(nodes, inside, value.tensor, nodes.constant(np.array(0.0)))
    missing = _failed(nodes, value, negated(nodes, inside), unusable)
    return Value(nodes.cast(safe, "INT64"), "integer", missing)


def literal_number(nodes: Nodes, unscaled: int, scale: int) -> Value:
    """A literal such as 2.5."""
    return constant(nodes, float(unscaled), "decimal", scale=scale)
