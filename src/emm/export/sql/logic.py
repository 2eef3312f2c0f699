"""Conditions of expressions, where NULL is neither true nor false, and what depends on them."""

from collections.abc import Sequence
from dataclasses import replace

from emm.export.nodes import Nodes
from emm.export.sql.values import (
    NotExpressibleError,
    Value,
    alike,
    as_number,
    boolean,
    either,
    is_false,
    is_true,
    negated,
    null,
    picked,
    where_true,
)

COMPARISONS = ("Eq", "NotEq", "Lt", "LtEq", "Gt", "GtEq")
_SWAPPED = {"Gt": "Lt", "GtEq": "LtEq"}


def both(nodes: Nodes, left: Value, right: Value) -> Value:
    """AND: false if one is, NULL unless both are known."""
    _require_truths("AND", left, right)
    true = nodes.add("And", [is_true(nodes, left), is_true(nodes, right)])
    false = either(nodes, is_false(nodes, left), is_false(nodes, right))
    return _decided(nodes, true, false, left, right)


def any_of(nodes: Nodes, left: Value, right: Value) -> Value:
    """OR: true if one is, NULL unless both are known."""
    _require_truths("OR", left, right)
    true = either(nodes, is_true(nodes, left), is_true(nodes, right))
    false = nodes.add("And", [is_false(nodes, left), is_false(nodes, right)])
    return _decided(nodes, str(true), false, left, right)


def _decided(nodes: Nodes, true: str, false: str | None, left: Value, right: Value) -> Value:
    if left.missing is None and right.missing is None:
        return Value(true, "truth")
    known = either(nodes, true, false)
    assert known is not None
    return Value(true, "truth", negated(nodes, known))


def opposite(nodes: Nodes, value: Value) -> Value:
    """NOT."""
    _require_truths("NOT", value)
    return replace(value, tensor=negated(nodes, value.tensor), literal=None)


def is_null(nodes: Nodes, value: Value) -> Value:
    """Whether a value is missing."""
    return Value(value.missing or boolean(nodes, False), "truth")


def compared(nodes: Nodes, op: str, left: Value, right: Value) -> Value:
    """A comparison; NULL if one is missing. NaN equals NaN, and is above all numbers."""
    missing = either(nodes, left.missing, right.missing)
    if left.is_null or right.is_null:
        return Value(boolean(nodes, False), "truth", boolean(nodes, True))
    if op in _SWAPPED:
        return compared(nodes, _SWAPPED[op], right, left)
    if op == "NotEq":
        return opposite(nodes, compared(nodes, "Eq", left, right))
    kinds = {left.kind, right.kind}
    if len(kinds) > 1 or kinds == {"decimal"}:
        if not kinds <= {"integer", "decimal", "number"}:
            raise NotExpressibleError(f"a comparison of {left.kind} with {right.kind}; CAST one")
        left, right = as_number(nodes, left), as_number(nodes, right)
    if op != "Eq" and left.kind in ("text", "truth"):
        raise NotExpressibleError(
            f"the order of {left.kind}: ONNX only compares whether it is equal"
        )
    return Value(_compared(nodes, op, left, right), "truth", missing)


def _compared(nodes: Nodes, op: str, left: Value, right: Value) -> str:
    names = {"Eq": "Equal", "Lt": "Less", "LtEq": "LessOrEqual"}
    found = nodes.add(names[op], [left.tensor, right.tensor])
    if left.kind != "number":
        return found
    mine, other = (
        None if isinstance(each.literal, int | float) else nodes.add("IsNaN", [each.tensor])
        for each in (left, right)
    )
    if op == "Eq":
        same = nodes.add("And", [mine, other]) if mine and other else None
    elif op == "LtEq":
        same = other
    else:
        same = nodes.add("And", [other, negated(nodes, mine)]) if other and mine else other
    return str(either(nodes, found, same))


def same_or_both_null(nodes: Nodes, left: Value, right: Value) -> Value:
    """IS NOT DISTINCT FROM: whether both are equal, or both missing."""
    equal = compared(nodes, "Eq", left, right)
    found = is_true(nodes, equal)
    if left.missing is not None and right.missing is not None:
        neither = nodes.add("And", [left.missing, right.missing])
        found = nodes.add("Or", [found, neither])
    return Value(found, "truth")


def among(nodes: Nodes, value: Value, literals: Sequence[Value]) -> Value:
    """IN: whether a value equals one of some literals."""
    if not literals:
        return Value(boolean(nodes, False), "truth")
    found = compared(nodes, "Eq", value, literals[0])
    for each in literals[1:]:
        found = any_of(nodes, found, compared(nodes, "Eq", value, each))
    return found


def chosen(nodes: Nodes, condition: Value, yes: Value, no: Value) -> Value:
    """CASE WHEN condition THEN yes ELSE no."""
    _require_truths("CASE WHEN", condition)
    if yes.is_null and no.is_null:
        return null(nodes)
    yes, no = alike(nodes, [yes, no])
    holds = is_true(nodes, condition)
    missing = None
    if yes.missing is not None or no.missing is not None:
        never = boolean(nodes, False)
        missing = where_true(nodes, holds, yes.missing or never, no.missing or never)
    return replace(no, tensor=picked(nodes, holds, yes, no), missing=missing, literal=None)


def first_known(nodes: Nodes, values: Sequence[Value]) -> Value:
    """COALESCE: the first value that isn't missing."""
    some = alike(nodes, [each for each in values if not each.is_null] or [*values])
    found = some[-1]
    for each in reversed(some[:-1]):
        if each.missing is None:
            found = each
            continue
        missing = found.missing and nodes.add("And", [each.missing, found.missing])
        tensor = picked(nodes, each.missing, found, each)
        found = replace(each, tensor=tensor, missing=missing, literal=None)
    return found


def _require_truths(what: str, *values: Value) -> None:
    for each in values:
        if each.kind != "truth":
            raise NotExpressibleError(f"{what} of {each.kind}; compare it with something")
