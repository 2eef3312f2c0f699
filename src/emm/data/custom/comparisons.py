"""The comparisons in a label's expression, and those that no row can meet."""

import difflib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import polars as pl

from emm.data.datasets.dataset import class_name

_EQUAL: tuple[Callable[[pl.Expr, pl.Expr], pl.Expr], ...] = (
    pl.Expr.eq,
    pl.Expr.ne,
    pl.Expr.eq_missing,
    pl.Expr.ne_missing,
)
_ORDER: tuple[Callable[[pl.Expr, pl.Expr], pl.Expr], ...] = (
    pl.Expr.lt,
    pl.Expr.le,
    pl.Expr.gt,
    pl.Expr.ge,
)
_SHOWN = 8

_TEXT, _NUMBER, _BOOLEAN, _TIME, _NULL = "text", "numbers", "true and false", "times", "null"
_FITTING = {
    # What values of a kind are compared with; Polars reads booleans as 0 and 1.
    _TEXT: (_TEXT,),
    _NUMBER: (_NUMBER, _BOOLEAN),
    _BOOLEAN: (_BOOLEAN, _NUMBER),
    _TIME: (_TIME,),
}
_ADVICE = {
    _TEXT: "text in quotes, such as {}",
    _NUMBER: "a number without quotes, such as {}",
    _BOOLEAN: "TRUE or FALSE without quotes",
    _TIME: "DATE '2024-05-31' or TIMESTAMP '2024-05-31 17:05:00'",
}

Frames = Callable[[], Iterable[pl.DataFrame]]
"""Reads all rows, with the columns that an expression reads, in frames of bounded size."""


class Comparison(NamedTuple):
    """Values over columns that are compared with literals; ``equal``: by =, !=, IN or NOT IN."""

    value: pl.Expr
    literals: list[Any]
    kind: str
    equal: bool


def comparisons(expression: pl.Expr) -> list[Comparison]:
    """All comparisons of an expression with literals."""
    found = []
    for node in _nodes(expression):
        inputs = node.meta.pop()
        if len(inputs) == 2:
            literal, value = sorted(inputs, key=lambda each: bool(each.meta.root_names()))
            if value.meta.root_names() and not literal.meta.root_names():
                equal = _is_equality(node, value, literal)
                if equal is not None:
                    found.append(_comparison(value, literal, equal=equal))
    return found


def _nodes(expression: pl.Expr) -> Iterator[pl.Expr]:
    """The expression and all that it is made of."""
    yield expression
    for each in expression.meta.pop():
        yield from _nodes(each)


def _is_equality(node: pl.Expr, value: pl.Expr, literal: pl.Expr) -> bool | None:
    """Whether a comparison is one by =, !=, IN or NOT IN; None if it is no comparison."""
    if isinstance(pl.select(literal).to_series().dtype, pl.List):
        return True
    for operators, equal in ((_EQUAL, True), (_ORDER, False)):
        for operator in operators:
            if node.meta.eq(operator(value, literal)) or node.meta.eq(operator(literal, value)):
                return equal
    return None


def _comparison(value: pl.Expr, literal: pl.Expr, *, equal: bool) -> Comparison:
    literals = pl.select(literal).to_series()
    literals = literals.explode() if isinstance(literals.dtype, pl.List) else literals
    # COALESCE(a, 'none') = 'none' is right even where a is never null.
    own = [pl.select(each).item() for each in _nodes(value) if each.meta.is_literal()]
    others = [each for each in literals.to_list() if each is None or each not in own]
    return Comparison(value, others, _kind(literals.dtype), equal)


def type_faults(rows: pl.DataFrame, expression: pl.Expr, where: str) -> list[str]:
    """Messages for literals of another type than what they are compared with."""
    faults = []
    for each in comparisons(expression):
        try:
            values = rows.select(each.value.alias("value")).to_series()
        except pl.exceptions.PolarsError:
            continue  # reported where the label is computed
        kind = _kind(values.dtype)
        if each.kind == _NULL:
            faults.append(f"{where}: a comparison with NULL is never true; write IS NULL")
        elif kind in _FITTING and each.kind not in _FITTING[kind]:
            literals = ", ".join(map(_sql, each.literals[:_SHOWN]))
            example = _sql(values.drop_nulls().min())
            faults.append(
                f"{where}: compares {_shown(each.value)}, which holds {kind}, with {literals}; "
                f"write {_ADVICE[kind].format(example)}"
            )
    return list(dict.fromkeys(faults))


def value_faults(
    rows: pl.DataFrame, expression: pl.Expr, where: str, missing: Sequence[str], everything: Frames
) -> list[str]:
    """Messages for literals that nothing equals in any row.

    All rows are read if a literal isn't among ``rows``, a sample. ``missing``: texts that are read
    as null.
    """
    faults = []
    for each in comparisons(expression):
        absent = _absent(rows, each) if each.equal else []
        if absent:
            counts, number = Counter[str](), 0
            for frame in everything():
                absent = _absent(frame, each, absent)
                if not absent:
                    break
                counts += count_values(frame, each.value)
                number += len(frame)
            faults += [_unmet(each, literal, counts, number, where, missing) for literal in absent]
    return list(dict.fromkeys(faults))


def count_values(rows: pl.DataFrame, value: pl.Expr) -> Counter[str]:
    """Number of rows of each value, as text."""
    texts = rows.select(class_name(value).alias("value")).drop_nulls()
    return Counter(dict(texts.group_by("value").len().iter_rows()))


def nearest_values(text: str, counts: Counter[str]) -> str:
    """The values nearest to ``text``, then the most frequent ones."""
    frequent = sorted(counts, key=lambda value: (-counts[value], value))
    folded = {value.casefold(): value for value in reversed(frequent)}
    close = difflib.get_close_matches(text.casefold(), folded, n=3)
    ordered = dict.fromkeys([*(folded[each] for each in close), *frequent[:_SHOWN]])
    shown = ", ".join(map(repr, [*ordered][:_SHOWN]))
    return f"{shown} and {len(counts) - _SHOWN:,} more" if len(counts) > _SHOWN else shown


def _absent(
    rows: pl.DataFrame, comparison: Comparison, literals: Sequence[Any] | None = None
) -> list[Any]:
    """The literals that no row equals."""
    wanted = [each for each in literals or comparison.literals if each is not None]
    if not wanted:
        return []
    try:
        found = rows.select(
            (comparison.value == pl.lit(each)).any().alias(f"{number}")
            for number, each in enumerate(wanted)
        )
    except pl.exceptions.PolarsError:
        return []  # reported where the label is computed
    return [each for each, met in zip(wanted, found.row(0), strict=True) if not met]


def _unmet(
    comparison: Comparison,
    literal: Any,
    counts: Counter[str],
    rows: int,
    where: str,
    missing: Sequence[str],
) -> str:
    if str(literal) in missing:
        hint = "it is read as missing: write IS NULL"
    else:
        hint = f"its values: {nearest_values(str(literal), counts) or 'none'}"
    what = _shown(comparison.value)
    return f"{where}: {what} is {_sql(literal)} in none of all {rows:,} rows; {hint}"


def _kind(dtype: pl.DataType) -> str:
    if dtype == pl.Boolean:
        return _BOOLEAN
    if dtype == pl.String or isinstance(dtype, pl.Categorical | pl.Enum):
        return _TEXT
    if dtype.is_numeric():
        return _NUMBER
    return _TIME if dtype.is_temporal() else _NULL if dtype == pl.Null else str(dtype)


def _shown(value: pl.Expr) -> str:
    names = ", ".join(map(repr, value.meta.root_names()))
    return names if value.meta.is_column() else f"an expression over {names}"


def _sql(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).upper()
    number = isinstance(value, int | float | Decimal)
    return str(value) if number else "'" + str(value).replace("'", "''") + "'"
