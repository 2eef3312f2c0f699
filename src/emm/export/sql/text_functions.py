"""Functions of text by their names in Polars."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from emm.export.sql import text
from emm.export.sql.values import NotExpressibleError, Surroundings, Value, as_text, spread

_ANY = "(?s:.*)"


def _text(given: Surroundings, value: Value) -> Value:
    """Text [B, 1]."""
    return spread(given.nodes, as_text(given.nodes, value), given.rows)


def _literal(value: Value) -> Any:
    if value.is_null:
        return None
    if value.literal is None:
        raise NotExpressibleError("a function whose pattern or place is a column")
    return value.literal


def _changed_case(given: Surroundings, value: Value, *, upper: bool) -> Value:
    found = _text(given, value)
    if not upper:
        given.unusable(text.sigma(given.nodes, found.tensor))
    changed = text.changed_case(given.nodes, found.tensor, upper=upper)
    return replace(found, tensor=changed)


def _trimmed(given: Surroundings, name: str, values: Sequence[Value]) -> Value:
    found = _text(given, values[0])
    characters = _literal(values[1])
    return replace(found, tensor=text.trimmed(given.nodes, name, found.tensor, characters))


def _part(given: Surroundings, values: Sequence[Value]) -> Value:
    found = _text(given, values[0])
    start, length = map(_literal, values[1:])
    return replace(found, tensor=text.part(given.nodes, found.tensor, start, length))


def _length(given: Surroundings, value: Value) -> Value:
    found = _text(given, value)
    count = text.length(given.nodes, found.tensor)
    return Value(count, "integer", found.missing, 32, signed=False)


def _joined(given: Surroundings, values: Sequence[Value], about: Any) -> Value:
    if about["delimiter"]:
        raise NotExpressibleError("CONCAT_WS; use CONCAT")
    return text.joined(given.nodes, values, ignore_nulls=about["ignore_nulls"])


def _contains(given: Surroundings, values: Sequence[Value], about: Any) -> Value:
    found, pattern = as_text(given.nodes, values[0]), str(_literal(values[1]))
    if about["literal"]:
        return _found(given, found, (_ANY, pattern, _ANY))
    return text.matches(given.nodes, found, pattern)


def _found(given: Surroundings, value: Value, words: tuple[str, str, str]) -> Value:
    before, literal, after = words
    return text.contains(given.nodes, value, (before, text.escaped(literal), after))


OF_TEXT: Mapping[str, Callable[[Surroundings, Sequence[Value], Any], Value]] = {
    "Lowercase": lambda given, v, _: _changed_case(given, v[0], upper=False),
    "Uppercase": lambda given, v, _: _changed_case(given, v[0], upper=True),
    "LenChars": lambda given, v, _: _length(given, v[0]),
    "Slice": lambda given, v, _: _part(given, v),
    "ConcatHorizontal": _joined,
    "Contains": _contains,
    "StartsWith": lambda given, v, _: _found(given, v[0], ("", str(_literal(v[1])), _ANY)),
    "EndsWith": lambda given, v, _: _found(given, v[0], (_ANY, str(_literal(v[1])), "")),
    **{
        name: lambda given, v, _, name=name: _trimmed(given, name, v)  # type: ignore[misc]
        for name in text.TRIMS
    },
}
