"""SQL expressions over the columns of a table, evaluated row by row."""

import io
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from emm.core.errors import ParamsError, nearest

_VALUE = "__value"
_LEAVES = {"Column", "Literal"}
_INNER = {"Alias", "BinaryExpr", "Cast", "Function", "Ternary"}
_QUERY = re.compile(r"\bselect\b", re.IGNORECASE)


def evaluated(rows: pl.DataFrame, inputs: Mapping[str, str]) -> pl.DataFrame:
    """A table with the columns ``inputs``: for each name, a column of ``rows`` or an SQL expression
    over them.

    Raises ParamsError for an expression that can't be evaluated on every row for itself.
    """
    return pl.DataFrame([_evaluate(rows, name, text) for name, text in inputs.items()])


def columns_read(text: str, columns: Sequence[str], where: str) -> tuple[str, ...]:
    """The columns that ``text``, a column or an SQL expression, reads.

    Raises ParamsError if it is neither, or reads others than ``columns`` or several rows.
    """
    if text in columns:
        return (text,)
    expression = parsed(text, columns, where)
    return tuple(dict.fromkeys(expression.meta.root_names()))


def is_row_wise(expression: pl.Expr) -> bool:
    """Whether the value of each row depends on that row only."""
    tree: Any = json.loads(expression.meta.serialize(format="json"))
    return _row_wise(tree)


def _evaluate(rows: pl.DataFrame, name: str, text: str) -> pl.Series:
    if text in rows.columns:
        return rows.get_column(text).alias(name)
    expression = parsed(text, rows.columns, name)
    try:
        return rows.with_columns(expression.alias(_VALUE)).get_column(_VALUE).alias(name)
    except pl.exceptions.PolarsError as error:
        raise _refused(
            name, text, f"can't be evaluated: {_first_line(error)}", "correct the expression"
        ) from error


def parsed(text: str, columns: Sequence[str], where: str) -> pl.Expr:
    """An SQL expression over ``columns``. Raises ParamsError as `evaluated`."""
    if _QUERY.search(text):
        raise _refused(where, text, "is a query", "write an expression over columns")
    try:
        expression = pl.sql_expr(text)
    except pl.exceptions.PolarsError as error:
        raise _refused(
            where,
            text,
            f"is neither a column nor an SQL expression: {_first_line(error)}",
            f"{nearest(text, columns)}; names with blanks need double quotes in an expression",
        ) from error
    for column in expression.meta.root_names():
        if column not in columns:
            raise _refused(
                where, text, f"reads {column!r}, which is no column", nearest(column, columns)
            )
    if expression.meta.has_multiple_outputs() or not is_row_wise(expression):
        raise _refused(
            where,
            text,
            "isn't the value of one row",
            "write an expression without means, counts, ranks and other values of several rows",
        )
    return expression


def _row_wise(node: Any) -> bool:
    if not isinstance(node, dict) or len(node) != 1:
        return False
    ((kind, body),) = node.items()
    if kind in _LEAVES:
        return True
    if kind not in _INNER:  # an aggregate, a window, the number of rows
        return False
    if not all(map(_row_wise, _children(kind, body))):
        return False
    return kind != "Function" or _is_row_wise_function(body)


def _children(kind: str, body: Any) -> list[Any]:
    if kind == "Alias":
        return [body[0]]
    keys = {"BinaryExpr": ("left", "right"), "Cast": ("expr",), "Function": ()}.get(
        kind, ("predicate", "truthy", "falsy")
    )
    return [*(body["input"] if kind == "Function" else ()), *(body[key] for key in keys)]


def _is_row_wise_function(body: Any) -> bool:
    """Whether a function of columns is; SQL's own operators are, and can't be asked untyped."""
    function = body["function"]
    if isinstance(function, dict) and "Sql" in function:
        return True
    inputs = [each if "Literal" in each else {"Column": _VALUE} for each in body["input"]]
    node = {"Function": {**body, "input": inputs}}
    meta = pl.Expr.deserialize(io.StringIO(json.dumps(node)), format="json").meta
    return meta.is_row_separable() and (meta.is_length_preserving() or meta.is_scalar())


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _refused(where: str, text: str, what: str, next_step: str) -> ParamsError:
    return ParamsError(
        f"the expression {text!r} {what}", where=f"columns: {where}", next_step=next_step
    )
