"""Validate plain values, read from YAML or JSON, against types and signatures.

pydantic checks; this module lists every fault at once, in words that say where the value is, what
was found and what was expected.
"""

import dataclasses
import difflib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import annotated_types
import pydantic
from pydantic import ConfigDict, Field, TypeAdapter

from emm.config.signatures import REQUIRED, keywords_of
from emm.core.errors import ParamsError

Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]

_CLOSED = ConfigDict(extra="forbid", strict=True)


def nearest(key: str, known: Iterable[str]) -> str:
    """A question that names the known key closest to ``key``, or the list of all known keys."""
    known = list(known)
    close = difflib.get_close_matches(key, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known) or 'none'}"


def choose(kind: str, name: str, known: Iterable[str], where: object, next_step: str) -> None:
    """Raise ParamsError unless ``name`` is one of ``known``."""
    known = list(known)
    if name not in known:
        raise ParamsError(
            f"no {kind} is called {name!r}; {nearest(name, known)}",
            where=where,
            got=name,
            expected=f"one of {', '.join(known) or 'none'}",
            next_step=next_step,
        )


def bind(kind: Any, value: Any, where: str, errors: list[str]) -> Any:
    """Validate ``value`` as ``kind``: a dataclass, a container or a scalar.

    Returns the value as ``kind``, or None after appending every fault to ``errors``. Unknown keys
    of a dataclass are faults. Lists become tuples where ``kind`` says so; nothing else is converted
    but whole numbers to floats.
    """
    try:
        text = json.dumps(_with_text_keys(value), default=str)
        return _adapter(kind).validate_json(text, strict=True)
    except pydantic.ValidationError as error:
        errors.extend(
            dict.fromkeys(_fault(kind, value, where, each) for each in _closest(kind, error))
        )
        return None


def bind_keywords(
    target: Callable[..., Any] | str,
    value: Any,
    where: str,
    errors: list[str],
    *,
    given: Sequence[str] = (),
    beside: type | None = None,
) -> dict[str, Any]:
    """Validate ``value`` as the keyword-only arguments of ``target``.

    Args:
        target: a class or function, or a class named ``module:Class``.
        given: arguments that the caller supplies, so that ``value`` may not.
        beside: a dataclass whose fields are wanted, too; they come first in the result.

    Returns all arguments in the order of the signature, with defaults, or an empty dict after
    appending every fault to ``errors``.
    """
    kind = _arguments(target, tuple(given), beside)
    bound = bind(kind, value, where, errors)
    if bound is None:
        return {}
    return {field.name: _frozen(getattr(bound, field.name)) for field in dataclasses.fields(kind)}


def raise_all(errors: list[str], what: str = "params.yaml") -> None:
    """Raise one ParamsError that lists all ``errors`` found in ``what``, if there are any."""
    if errors:
        count = "one setting" if len(errors) == 1 else f"{len(errors)} settings"
        raise ParamsError(
            f"{count} in {what} can't be used:\n" + "\n".join(f"  - {e}" for e in errors),
            next_step=f"correct {what}, then `emm check`",
        )


def _with_text_keys(value: Any) -> Any:
    """The same value for JSON, which has no dates as keys."""
    if isinstance(value, Mapping):
        return {str(key): _with_text_keys(each) for key, each in value.items()}
    return [*map(_with_text_keys, value)] if isinstance(value, list | tuple) else value


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    _close(kind)
    return TypeAdapter(kind)


def _close(kind: Any) -> None:
    """Make every dataclass within ``kind`` refuse unknown keys and conversions."""
    for inner in get_args(kind):
        _close(inner)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind) and not _is_closed(kind):
        setattr(kind, "__pydantic_config__", _CLOSED)  # noqa: B010 - not declared by the class
        for inner in get_type_hints(kind, include_extras=True).values():
            _close(inner)


def _is_closed(kind: type) -> bool:
    return "__pydantic_config__" in vars(kind)


@cache
def _arguments(
    target: Callable[..., Any] | str, given: tuple[str, ...], beside: type | None
) -> Any:
    """The keyword-only arguments of ``target`` as a dataclass."""
    wanted = dict[str, tuple[str, Any, Any]]()
    hints = get_type_hints(beside, include_extras=True) if beside else {}
    for field in dataclasses.fields(beside) if beside else ():
        wanted[field.name] = (field.name, hints[field.name], _default_of(field))
    for name, (hint, default) in keywords_of(target).items():
        if name not in given:
            value = dataclasses.field() if default is REQUIRED else _constant(default)
            wanted[name] = (name, hint, value)
    return dataclasses.make_dataclass("Arguments", wanted.values(), kw_only=True)


def _default_of(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return dataclasses.field(default_factory=field.default_factory)
    required = field.default is dataclasses.MISSING
    return dataclasses.field() if required else _constant(field.default)


def _constant(value: Any) -> Any:
    return dataclasses.field(default_factory=lambda: value)


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


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
            expected = _choice(_without_none(expected), str(part))
            continue
        if number == len(error["loc"]) - 1 and error["type"] in _UNKNOWN:
            known = [field.name for field in dataclasses.fields(_without_none(expected))]
            return f"{_join(path, part)}: unknown key; {nearest(str(part), known)}"
        path, expected, value = _join(path, part), _inside(expected, part), _item(value, part)
    if error["type"] in _MISSING:
        return f"{path}: missing; expected {_name(expected)}"
    if error["type"] in _BOUNDS:
        return f"{path}: got {value!r}, expected {_limits(expected)}"
    if error["type"] == "too_short":
        return f"{path}: got {value!r}, expected at least one value"
    return f"{path}: got {value!r}, expected {_name(expected, limits=_is_list(expected))}"


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
    """The dataclass of a union that is called ``name``."""
    return next(each for each in get_args(kind) if getattr(each, "__name__", "") == name)


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


def _name(kind: Any, *, limits: bool = True) -> str:
    """What a type is called in a message."""
    if get_origin(kind) is Annotated:
        bounds = _limits(kind) if limits else ""
        return f"{_name(get_args(kind)[0], limits=limits)} {bounds}".rstrip()
    if _is_union(kind):
        names = [_name(each, limits=limits) for each in get_args(kind) if each is not type(None)]
        return " or ".join(dict.fromkeys(names))
    if get_origin(kind) is Literal:
        return " or ".join(map(str, get_args(kind)))
    if dataclasses.is_dataclass(kind):
        return "the keys " + ", ".join(field.name for field in dataclasses.fields(kind))
    origin = get_origin(kind)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "keys and values"
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return f"a list of {_name(get_args(kind)[0])}"
    names_of = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    return names_of.get(kind, "a value")


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
