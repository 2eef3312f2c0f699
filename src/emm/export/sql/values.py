"""Values of expressions inside a graph, of the kinds that SQL has.

A value is missing where SQL says NULL; NaN is a number. Shapes: [B, 1], or [] of constants.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from emm.export.nodes import Nodes

Kind = Literal["text", "integer", "decimal", "number", "truth"]


class NotExpressibleError(Exception):
    """No operators of ONNX compute a part of an expression; its message says which, and why."""


@dataclass(frozen=True)
class Value:
    """A value in a graph.

    Args:
        tensor: text, int64, bool, or doubles; of decimals, the number times 10 ** ``scale``. Where
            it is missing, it may be anything.
        missing: where it is missing, bool; None if it is nowhere.
        bits, signed: of integers, how large they may be; 0 bits: a literal, which takes the type of
            what it meets.
        literal: the value of a constant; None of any other, and of NULL.
    """

    tensor: str
    kind: Kind
    missing: str | None = None
    bits: int = 64
    signed: bool = True
    scale: int = 0
    literal: Any = None

    @property
    def is_null(self) -> bool:
        """Whether it is NULL itself, which has no kind of its own."""
        return self.bits < 0


Unusable = Callable[[str], None]
"""Takes where rows have no value, and no NULL either, as where a CAST fails: bool, [B, 1] or []."""


@dataclass(frozen=True)
class Surroundings:
    """Where an expression stands.

    Attributes:
        columns: the names that it may read; ``column`` gives the value of one, [B, 1].
        rows: any condition [B, 1].
        where: of the expression, for messages.
    """

    nodes: Nodes
    columns: Sequence[str]
    column: Callable[[str], Value]
    rows: str
    unusable: Unusable
    where: str


def constant(nodes: Nodes, value: Any, kind: Kind, **about: Any) -> Value:
    """A literal."""
    dtypes: dict[str, Any] = {"text": object, "integer": np.int64, "truth": np.bool_}
    array = np.array(value, dtypes.get(kind, np.float64))
    return Value(nodes.constant(array), kind, literal=value, **about)


def null(nodes: Nodes) -> Value:
    """The literal NULL."""
    return Value(boolean(nodes, False), "truth", boolean(nodes, True), bits=-1)


def boolean(nodes: Nodes, value: bool) -> str:
    return nodes.constant(np.array(value))


def either(nodes: Nodes, *conditions: str | None) -> str | None:
    """Whether one of the conditions holds; None if there is none."""
    some = [*dict.fromkeys(each for each in conditions if each is not None)]
    if not some:
        return None
    found = some[0]
    for each in some[1:]:
        found = nodes.add("Or", [found, each])
    return found


def negated(nodes: Nodes, condition: str) -> str:
    return nodes.add("Not", [condition])


def where(nodes: Nodes, condition: str, yes: str, no: str) -> str:
    return nodes.add("Where", [condition, yes, no])


def where_true(nodes: Nodes, condition: str, yes: str, no: str) -> str:
    """`where` for conditions, of which onnxruntime has none."""
    first = nodes.add("And", [condition, yes])
    return nodes.add("Or", [first, nodes.add("And", [negated(nodes, condition), no])])


def picked(nodes: Nodes, condition: str, yes: Value, no: Value) -> str:
    """The tensor of one of two values of one kind."""
    pick = where_true if yes.kind == "truth" else where
    return pick(nodes, condition, yes.tensor, no.tensor)


def is_true(nodes: Nodes, value: Value) -> str:
    """Where a truth is known and true."""
    if value.missing is None:
        return value.tensor
    return nodes.add("And", [value.tensor, negated(nodes, value.missing)])


def is_false(nodes: Nodes, value: Value) -> str:
    """Where a truth is known and false."""
    unknown = either(nodes, value.tensor, value.missing)
    assert unknown is not None
    return negated(nodes, unknown)


def as_number(nodes: Nodes, value: Value) -> Value:
    """Integers, decimals and truths as doubles."""
    if value.kind == "number":
        return value
    if value.literal is not None and value.kind == "decimal":
        # onnxruntime turns products with fractions into fractions, whose last digits differ.
        return constant(nodes, value.literal / 10**value.scale, "number")
    if value.kind == "decimal":
        power = nodes.constant(np.array(10.0**value.scale))
        return Value(nodes.add("Div", [value.tensor, power]), "number", value.missing)
    if value.kind == "text":
        raise NotExpressibleError("text in place of a number; CAST it")
    tensor = nodes.cast(value.tensor, "DOUBLE")
    return Value(tensor, "number", value.missing)


def as_decimal(nodes: Nodes, value: Value, scale: int) -> Value:
    """Integers and decimals as decimals with at least their own ``scale``."""
    tensor = value.tensor if value.kind == "decimal" else nodes.cast(value.tensor, "DOUBLE")
    if scale > value.scale:
        factor = nodes.constant(np.array(10.0 ** (scale - value.scale)))
        tensor = nodes.add("Mul", [tensor, factor])
    return Value(tensor, "decimal", value.missing, scale=scale)


def as_text(nodes: Nodes, value: Value) -> Value:
    """A value as text in the way in which CAST writes it."""
    if value.kind == "text":
        return value
    if value.kind == "integer":
        written = nodes.add("Cast", [value.tensor], to=nodes.onnx.TensorProto.STRING)
        return Value(written, "text", value.missing)
    if value.kind == "truth":
        true, false = (nodes.constant(np.array(word, object)) for word in ("true", "false"))
        return Value(where(nodes, value.tensor, true, false), "text", value.missing)
    raise NotExpressibleError("fractions as text; CAST them AS BIGINT first")


def alike(nodes: Nodes, values: Sequence[Value]) -> list[Value]:
    """Values that one column can hold, as of one kind."""
    kinds = {each.kind for each in values if not each.is_null}
    if len(kinds) == 1 and kinds != {"decimal"}:
        found = [each if not each.is_null else _as_kind(nodes, each, kinds) for each in values]
        return _of_one_size(found)
    if kinds == {"integer", "decimal"} or kinds == {"decimal"}:
        scale = max(each.scale for each in values)
        return [each if each.is_null else as_decimal(nodes, each, scale) for each in values]
    if kinds <= {"integer", "decimal", "number"} and kinds:
        return [_as_kind(nodes, each, {"number"}) for each in values]
    if "text" in kinds:
        return [_as_kind(nodes, each, {"text"}) for each in values]
    if not kinds:
        return [*values]
    raise NotExpressibleError("truths and numbers as values of one column; CAST one of them")


def _as_kind(nodes: Nodes, value: Value, kinds: set[Kind]) -> Value:
    (kind,) = kinds
    if value.is_null:
        blank: dict[Kind, Any] = {"text": "", "truth": False}
        made = constant(nodes, blank.get(kind, 0), kind, bits=0)
        return replace(made, missing=value.missing, literal=None)
    return as_text(nodes, value) if kind == "text" else as_number(nodes, value)


def _of_one_size(values: Sequence[Value]) -> list[Value]:
    if values[0].kind != "integer":
        return [*values]
    bits, signed = size_of(values)
    return [replace(each, bits=bits, signed=signed) for each in values]


def size_of(values: Sequence[Value]) -> tuple[int, bool]:
    """The bits of the integers that hold all of the values, and whether they have signs."""
    sized = [each for each in values if each.bits > 0]
    if not sized:
        return 32, True
    signed = any(each.signed for each in sized)
    bits = max(each.bits * (1 + (signed and not each.signed)) for each in sized)
    return min(bits, 64), signed


def spread(nodes: Nodes, value: Value, rows: str) -> Value:
    """A value, possibly a constant, as [B, 1]; ``rows``: any condition [B, 1]."""
    missing = value.missing
    if missing is not None:
        missing = where_true(nodes, rows, missing, missing)
    tensor = picked(nodes, rows, value, value)
    return replace(value, tensor=tensor, missing=missing, literal=None)
