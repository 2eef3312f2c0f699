"""An SQL expression as operators of ONNX, from the tree into which Polars parses it."""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl

from emm.core.errors import ModelFileError
from emm.data.tables.expressions import parsed
from emm.export.nodes import Nodes
from emm.export.sql import arithmetic, logic, text
from emm.export.sql.casts import cast, literal_number
from emm.export.sql.text_functions import OF_TEXT
from emm.export.sql.values import NotExpressibleError, Surroundings, Value, constant, null, spread


def sql_value(given: Surroundings, expression: str) -> Value:
    """The value of an expression in each row, [B, 1].

    Raises ModelFileError, with the reason, for one that ONNX can't express.
    """
    plan = parsed(expression, given.columns, given.where)
    tree: Any = json.loads(plan.meta.serialize(format="json"))
    try:
        found = _value(given, tree)
    except NotExpressibleError as reason:
        raise ModelFileError(
            f"the expression {expression!r} can't be exported: it has {reason}",
            where=given.where,
            got=expression,
            next_step="write it another way, or export the member as ONNX with what it computes",
        ) from None
    return spread(given.nodes, found, given.rows)


def _value(given: Surroundings, tree: Any) -> Value:
    ((kind, body),) = tree.items()
    if kind == "Column":
        return given.column(body)
    if kind == "Literal":
        return _literal(given.nodes, body, tree)
    if kind == "Alias":
        return _value(given, body[0])
    if kind == "Ternary":
        parts = (_value(given, body[name]) for name in ("predicate", "truthy", "falsy"))
        return logic.chosen(given.nodes, *parts)
    if kind == "Cast":
        return _cast(given, body)
    if kind == "BinaryExpr":
        left, right = (_value(given, body[side]) for side in ("left", "right"))
        return _binary(given.nodes, body["op"], left, right)
    return _function(given, body)


def _literal(nodes: Nodes, body: Any, tree: Any) -> Value:
    ((kind, content),) = body.items()
    if kind == "Dyn" and "Int" in content:
        return constant(nodes, content["Int"], "integer", bits=0)
    if kind == "Dyn" and "Float" in content:
        return constant(nodes, content["Float"], "number")
    if kind == "Scalar":
        ((type_, value),) = content.items()
        if type_ == "Null":
            return null(nodes)
        if type_ == "String":
            return constant(nodes, value, "text")
        if type_ == "Boolean":
            return constant(nodes, value, "truth")
        if type_ == "Decimal":
            return literal_number(nodes, value[0], value[2])
        if type_.startswith(("Int", "UInt")):
            bits, signed = int(type_.strip("UInt")), type_.startswith("Int")
            return constant(nodes, value, "integer", bits=bits, signed=signed)
        if type_ == "Float64":
            return constant(nodes, value, "number")
    raise NotExpressibleError(f"the literal {_series(tree).to_list()}")


def _series(tree: Any) -> pl.Series:
    found = pl.select(pl.Expr.deserialize(io.StringIO(json.dumps(tree)), format="json"))
    series = found.to_series()
    return series.explode() if isinstance(series.dtype, pl.List) else series


def _cast(given: Surroundings, body: Any) -> Value:
    dtype = body["dtype"].get("Literal")
    if not isinstance(dtype, str):
        raise NotExpressibleError(f"CAST AS {json.dumps(dtype or body['dtype'])}")
    strict = body["options"] == "Strict"
    value = _value(given, body["expr"])
    return cast(given.nodes, value, dtype, given.unusable if strict else None)


def _binary(nodes: Nodes, op: str, left: Value, right: Value) -> Value:
    if op in logic.COMPARISONS:
        return logic.compared(nodes, op, left, right)
    if op in ("EqValidity", "NotEqValidity"):
        found = logic.same_or_both_null(nodes, left, right)
        return found if op == "EqValidity" else logic.opposite(nodes, found)
    if op in ("And", "Or", "LogicalAnd", "LogicalOr") and left.kind == right.kind == "truth":
        join = logic.both if op.endswith("And") else logic.any_of
        return join(nodes, left, right)
    if op == "Plus" and "text" in (left.kind, right.kind):
        return text.joined(nodes, [left, right], ignore_nulls=False)
    if op in arithmetic.OPERATORS:
        return arithmetic.arithmetic(nodes, arithmetic.OPERATORS[op], left, right)
    raise NotExpressibleError(f"the operator {op} of {left.kind} and {right.kind}")


def _function(given: Surroundings, body: Any) -> Value:
    name, about = _named(body["function"])
    inputs = body["input"]
    if name == "IsIn":
        literals = [_of_list(given.nodes, each) for each in _series(inputs[1])]
        return logic.among(given.nodes, _value(given, inputs[0]), literals)
    values = [_value(given, each) for each in inputs]
    if name in OF_TEXT:
        return OF_TEXT[name](given, values, about)
    if name in _FUNCTIONS:
        return _FUNCTIONS[name](given.nodes, values, about)
    raise NotExpressibleError(f"the function {about if isinstance(about, str) else name}")


def _named(function: Any) -> tuple[str, Any]:
    """The name of a function, and what else is said of it."""
    while isinstance(function, dict):
        ((name, content),) = function.items()
        if name not in _GROUPS:
            return str(name), content
        function = content
    return str(function), {}


_GROUPS = ("Boolean", "Pow", "Sql", "StringExpr")


def _of_list(nodes: Nodes, value: Any) -> Value:
    if value is None:
        return null(nodes)
    if isinstance(value, bool):
        return constant(nodes, value, "truth")
    if isinstance(value, int):
        return constant(nodes, value, "integer", bits=0)
    return constant(nodes, value if isinstance(value, str) else float(value), _kind_of(value))


def _kind_of(value: Any) -> Any:
    return "text" if isinstance(value, str) else "number"


def _sql_binary(nodes: Nodes, op: str, left: Value, right: Value) -> Value:
    operations = {
        "Div": arithmetic.quotient,
        "Rem": arithmetic.remainder,
        "IntDiv": arithmetic.whole_quotient,
    }
    if op in operations:
        return operations[op](nodes, left, right)
    return _binary(nodes, op, left, right)


_FUNCTIONS: Mapping[str, Callable[[Nodes, Sequence[Value], Any], Value]] = {
    "Coalesce": lambda nodes, v, _: logic.first_known(nodes, v),
    "FillNull": lambda nodes, v, _: logic.first_known(nodes, v),
    "Not": lambda nodes, v, _: logic.opposite(nodes, v[0]),
    "IsNull": lambda nodes, v, _: logic.is_null(nodes, v[0]),
    "IsNotNull": lambda nodes, v, _: logic.opposite(nodes, logic.is_null(nodes, v[0])),
    "Binary": lambda nodes, v, op: _sql_binary(nodes, op, *v),
    "ToFloat": lambda _, v, __: v[0],
    "Round": lambda nodes, v, about: arithmetic.rounded(nodes, v[0], about["decimals"]),
    "Log": lambda nodes, v, _: arithmetic.logarithm(nodes, *v),
    "Generic": lambda nodes, v, _: arithmetic.power(nodes, *v),
    "MaxHorizontal": lambda nodes, v, _: arithmetic.extreme(nodes, "Max", v),
    "MinHorizontal": lambda nodes, v, _: arithmetic.extreme(nodes, "Min", v),
    **{
        name: lambda nodes, v, _, name=name: arithmetic.function(nodes, name, v[0])  # type: ignore[misc]
        for name in (*arithmetic.OF_NUMBERS, *arithmetic.OF_ANY)
    },
}
"""Functions by their names in Polars."""
