"""Faults that pydantic finds in a value, in words: where, what was found, what was expected."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import annotated_types
import pydantic

from emm.core.errors import nearest


def faults_of(kind: Any, value: Any, where: str, error: pydantic.ValidationError) -> list[str]:
    """One message for each fault of ``value``, which was to be of ``kind``."""
    faults = (_fault(kind, value, where, each) for each in _closest(kind, error))
    return list(dict.fromkeys(faults))


EXPECTED = "expected"
"""Kind of a fault whose message is what the type expects, in its own words."""

_MISSING = ("missing", "missing_argument", "missing_keyword_only_argument")
_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
_BOUNDS = ("greater_than", "greater_than_equal", "less_than", "less_than_equal")


def _closest(kind: Any, error: pydantic.ValidationError) -> list[Any]:
    """The faults; where several dataclasses are possible, those of the closest one."""
    plain, branches = [], dict[tuple[Any, ...], dict[str, list[Any]]]()
    for fault in error.errors(include_url=False, include_context=False):
        tag = _tag(kind, fault["loc"])
        if tag is None:
            plain.append(fault)
        else:
            branch = branches.setdefault(fault["loc"][:tag], {})
            branch.setdefault(str(fault["loc"][tag]), []).append(fault)
    return [*plain, *(fault for each in branches.values() for fault in min(each.values(), key=len))]


def _tag(kind: Any, location: Sequence[Any]) -> int | None:
    """Place in ``location`` of the name of a union's dataclass, which pydantic puts there."""
    for number, part in enumerate(location):
        kind = _without_none(kind)
        if _is_union(kind):
            return number
        kind = _inside(kind, part)
    return None


def _fault(kind: Any, value: Any, where: str, error: Mapping[str, Any]) -> str:
    """One fault in words."""
    path, expected = where, kind
    for number, part in enumerate(error["loc"]):
        if _is_union(_without_none(expected)):
            choice = _choice(_without_none(expected), str(part))
            if choice is None:  # a union of other types: its faults are those of the whole value
                break
            expected = choice
            continue
        if number == len(error["loc"]) - 1 and error["type"] in _UNKNOWN:
            known = [field.name for field in dataclasses.fields(_without_none(expected))]
            return f"{_join(path, part)}: unknown key; {nearest(str(part), known)}"
        path, expected, value = _join(path, part), _inside(expected, part), _item(value, part)
    if error["type"] in _MISSING:
        return f"{path}: missing; expected {_name(expected)}"
    got = f"{path}: got {_shown(value)}, expected"
    if error["type"] == EXPECTED:
        return f"{got} {error['msg']}"
    if error["type"] in _BOUNDS:
        return f"{got} {_limits(expected)}"
    if error["type"] == "too_short":
        return f"{got} at least one value"
    return f"{got} {_name(expected, limits=_is_list(expected))}"


def _shown(value: Any) -> str:
    """A value as it is written in YAML."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_shown(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else repr(value)


def _item(value: Any, part: Any) -> Any:
    if isinstance(value, Mapping):
        return value.get(part)
    return value[part] if isinstance(value, list | tuple) else None


def _is_list(kind: Any) -> bool:
    origin = get_origin(_without_none(kind))
    return isinstance(origin, type) and issubclass(origin, Sequence)


def _join(path: str, part: object) -> str:
    if isinstance(part, int):
        return f"{path}[{part}]"
    return f"{path}.{part}" if path else str(part)


def _choice(kind: Any, name: str) -> Any:
    """The dataclass of a union that is called ``name``; None if there is none."""
    classes = filter(dataclasses.is_dataclass, get_args(kind))
    return next((each for each in classes if getattr(each, "__name__", "") == name), None)


def _without_none(kind: Any) -> Any:
    if get_origin(kind) is Annotated:
        return _without_none(get_args(kind)[0])
    choices = [each for each in get_args(kind) if each is not type(None)]
    return _without_none(choices[0]) if _is_union(kind) and len(choices) == 1 else kind


def _is_union(kind: Any) -> bool:
    return get_origin(kind) is Union or type(kind).__name__ == "UnionType"


def _inside(kind: Any, part: object) -> Any:
    """The type of a dataclass' field, of a sequence's items or of a mapping's values."""
    kind = _without_none(kind)
    if dataclasses.is_dataclass(kind):
        return get_type_hints(kind, include_extras=True).get(str(part), Any)
    arguments = get_args(kind)
    return arguments[1 if isinstance(part, str) and len(arguments) > 1 else 0] if arguments else Any


_ONE = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
_MANY = {int: "whole numbers", float: "numbers", str: "text", bool: "true or false"}


def _name(kind: Any, *, limits: bool = True, many: bool = False) -> str:
    """What a type is called in a message; ``many``: as items of a list."""
    if get_origin(kind) is Annotated:
        bounds = _limits(kind) if limits else ""
        return f"{_name(get_args(kind)[0], limits=limits, many=many)} {bounds}".rstrip()
    if _is_union(kind):
        names = [_name(x, limits=limits, many=many) for x in get_args(kind) if x is not type(None)]
        return " or ".join(dict.fromkeys(names))
    if get_origin(kind) is Literal:
        return " or ".join(map(str, get_args(kind)))
    if dataclasses.is_dataclass(kind):
        keys = "the keys " + ", ".join(field.name for field in dataclasses.fields(kind))
        return f"entries with {keys}" if many else keys
    origin = get_origin(kind)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"{'mappings' if many else 'a mapping'}, such as {_example(kind)}"
    if isinstance(origin, type) and issubclass(origin, Sequence):
        items = _name(get_args(kind)[0], many=True)
        return f"lists of {items}" if many else f"a list of {items}, such as {_example(kind)}"
    return (_MANY if many else _ONE).get(kind, "values" if many else "a value")


def _example(kind: Any) -> str:
    """A value of a type, as it is written in YAML."""
    kind = _without_none(kind)
    origin = get_origin(kind)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"{{name: {_example(get_args(kind)[1])}}}"
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return f"[{_example(get_args(kind)[0])}]"
    if origin is Literal:
        return str(get_args(kind)[0])
    if dataclasses.is_dataclass(kind):
        return "{" + f"{dataclasses.fields(kind)[0].name}: ..." + "}"
    return {int: "8", float: "0.5", bool: "true"}.get(kind, "name")


def _limits(kind: Any) -> str:
    """The bounds of a number: at least 0 and at most 1."""
    kind = kind if get_origin(kind) is Annotated else _without_optional(kind)
    words = {
        annotated_types.Ge: ("at least", "ge"),
        annotated_types.Gt: ("more than", "gt"),
        annotated_types.Le: ("at most", "le"),
        annotated_types.Lt: ("less than", "lt"),
    }
    fields = [each for each in get_args(kind)[1:] if hasattr(each, "metadata")]
    marks = [mark for field in fields for mark in field.metadata]
    known = [(words[type(mark)], mark) for mark in marks if type(mark) in words]
    return " and ".join(f"{text} {getattr(mark, key):g}" for (text, key), mark in known)


def _without_optional(kind: Any) -> Any:
    """The annotated type of an optional one."""
    return next((each for each in get_args(kind) if get_origin(each) is Annotated), kind)
