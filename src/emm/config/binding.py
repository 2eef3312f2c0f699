"""Validate plain values, read from YAML or JSON, against types and signatures.

pydantic checks; this module lists every fault at once, in words that say where the value is, what
was found and what was expected.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, get_args, get_type_hints

import pydantic
from pydantic import ConfigDict, Field, TypeAdapter

from emm.config.faults import faults_of
from emm.config.signatures import REQUIRED, keywords_of
from emm.core.errors import ParamsError

Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]

_CLOSED = ConfigDict(extra="forbid", strict=True)


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
        errors.extend(faults_of(kind, value, where, error))
        return None


def bind_keywords(
    target: Callable[..., Any] | str,
    value: Any,
    where: str,
    errors: list[str],
    *,
    given: Sequence[str] = (),
    settings: type | None = None,
) -> dict[str, Any]:
    """Validate ``value`` as the keyword-only arguments of ``target``.

    Args:
        target: a class or function, or a class named ``module:Class``.
        given: arguments that the caller supplies, so that ``value`` may not.
        settings: a dataclass whose fields are wanted, too; they come first in the result.

    Returns all arguments in the order of the signature, with defaults, or an empty dict after
    appending every fault to ``errors``.
    """
    kind = _arguments(target, tuple(given), settings)
    bound = bind(kind, value, where, errors)
    if bound is None:
        return {}
    return {field.name: _frozen(getattr(bound, field.name)) for field in dataclasses.fields(kind)}


def raise_all(errors: list[str], what: str) -> None:
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
    target: Callable[..., Any] | str, given: tuple[str, ...], settings: type | None
) -> Any:
    """The keyword-only arguments of ``target`` as a dataclass."""
    wanted = dict[str, tuple[str, Any, Any]]()
    hints = get_type_hints(settings, include_extras=True) if settings else {}
    for field in dataclasses.fields(settings) if settings else ():
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
