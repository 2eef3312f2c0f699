"""Bind a mapping from YAML to a dataclass or a signature, and report every misfit at once."""

import dataclasses
import difflib
import inspect
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from emm.core.errors import ParamsError

REQUIRED = inspect.Parameter.empty


@dataclasses.dataclass(frozen=True)
class Range:
    """Bounds of a number; used as ``Annotated[int, Range(1)]``."""

    low: float
    high: float = float("inf")
    open_low: bool = False

    def holds(self, value: float) -> bool:
        return (value > self.low if self.open_low else value >= self.low) and value <= self.high

    def __str__(self) -> str:
        low = f"{'more than' if self.open_low else 'at least'} {self.low:g}"
        return low if self.high == float("inf") else f"{low} and at most {self.high:g}"


@dataclasses.dataclass(frozen=True)
class OneOf:
    """The values a setting may have; used as ``Annotated[str, OneOf("adam", "adamw")]``."""

    values: tuple[str, ...]

    def __init__(self, *values: str) -> None:
        object.__setattr__(self, "values", values)

    def holds(self, value: str) -> bool:
        return value in self.values

    def __str__(self) -> str:
        return " or ".join(self.values)


Count = Annotated[int, Range(1)]
Share = Annotated[float, Range(0, 1)]
Positive = Annotated[float, Range(0, open_low=True)]
NotNegative = Annotated[float, Range(0)]


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


def bind(kind: type, value: Any, where: str, errors: list[str]) -> Any:
    """``value`` as ``kind``: a dataclass, a container or a scalar; misfits go to ``errors``."""
    if dataclasses.is_dataclass(kind):
        return _bind_dataclass(kind, value, where, errors)
    origin = get_origin(kind)
    if origin is Annotated:
        return _bind_annotated(kind, value, where, errors)
    if origin in (Union, types.UnionType):
        return _bind_union(kind, value, where, errors)
    if origin is tuple or (isinstance(origin, type) and issubclass(origin, Sequence)):
        return _bind_sequence(get_args(kind)[0], value, where, errors)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _bind_mapping(get_args(kind)[1], value, where, errors)
    return _bind_scalar(kind, value, where, errors)


def bind_keywords(
    target: Callable[..., Any],
    value: Mapping[str, Any],
    where: str,
    errors: list[str],
    *,
    given: Sequence[str] = (),
    beside: type | None = None,
) -> dict[str, Any]:
    """Bind ``value`` to the keyword-only parameters of ``target`` but those in ``given``.

    Fields of the dataclass ``beside`` are wanted too. Every parameter without a default must be
    there; misfits go to ``errors``.
    """
    function: Any = getattr(target, "__init__") if isinstance(target, type) else target  # noqa: B009
    hints = get_type_hints(function, include_extras=True)
    wanted = {
        name: (hints.get(name, Any), parameter.default)
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and name not in given
    }
    return _bind_keys({**_fields(beside), **wanted}, value, where, errors)


def raise_all(errors: list[str]) -> None:
    """Raise one ParamsError for all collected misfits, if there are any."""
    if errors:
        count = "one thing" if len(errors) == 1 else f"{len(errors)} things"
        raise ParamsError(
            f"{count} in params.yaml can't be used:\n" + "\n".join(f"  - {e}" for e in errors),
            next_step="correct params.yaml, then `emm check`",
        )


def _bind_dataclass(kind: Any, value: Any, where: str, errors: list[str]) -> Any:
    before = len(errors)
    bound = _bind_keys(_fields(kind), value, where, errors)
    if len(errors) > before:
        return None
    names = {_key(field): field.name for field in dataclasses.fields(kind)}
    return kind(**{names[key]: item for key, item in bound.items()})


def _fields(kind: Any) -> dict[str, tuple[Any, Any]]:
    """Type and default of each key of a dataclass."""
    if kind is None:
        return {}
    hints = get_type_hints(kind, include_extras=True)
    return {_key(field): (hints[field.name], _default(field)) for field in dataclasses.fields(kind)}


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return REQUIRED if field.default is dataclasses.MISSING else field.default


def _key(field: dataclasses.Field[Any]) -> str:
    key: str = field.metadata.get("key", field.name)
    return key


def _bind_keys(
    wanted: Mapping[str, tuple[Any, Any]], value: Any, where: str, errors: list[str]
) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        errors.append(f"{where}: got {value!r}, expected the keys {', '.join(wanted)}")
        return {}
    path = f"{where}." if where else ""
    errors.extend(
        f"{path}{key}: unknown key; {nearest(str(key), wanted)}"
        for key in value
        if key not in wanted
    )
    bound = {}
    for key, (kind, default) in wanted.items():
        if key in value:
            bound[key] = bind(kind, value[key], f"{path}{key}", errors)
        elif default is REQUIRED:
            errors.append(f"{path}{key}: missing; expected {_name(kind)}")
        else:
            bound[key] = default
    return bound


def _bind_annotated(kind: Any, value: Any, where: str, errors: list[str]) -> Any:
    base, *constraints = get_args(kind)
    before = len(errors)
    bound = bind(base, value, where, errors)
    if len(errors) == before:
        errors.extend(
            f"{where}: got {value!r}, expected {limit}"
            for limit in constraints
            if isinstance(limit, Range | OneOf) and not limit.holds(bound)
        )
    return bound


def _bind_union(kind: Any, value: Any, where: str, errors: list[str]) -> Any:
    """None, or the dataclass that knows most of the value's keys; otherwise the first choice."""
    choices = [choice for choice in get_args(kind) if choice is not type(None)]
    if value is None and type(None) in get_args(kind):
        return None
    keys = set(value) if isinstance(value, Mapping) else set()
    known = [_fields(each) if dataclasses.is_dataclass(each) else {} for each in choices]
    counts = [len(keys & set(fields)) for fields in known]
    return bind(choices[counts.index(max(counts))], value, where, errors)


def _bind_sequence(kind: Any, value: Any, where: str, errors: list[str]) -> Any:
    if not isinstance(value, list | tuple):
        errors.append(f"{where}: got {value!r}, expected a list of {_name(kind)}")
        return ()
    return tuple(bind(kind, item, f"{where}[{i}]", errors) for i, item in enumerate(value))


def _bind_mapping(kind: Any, value: Any, where: str, errors: list[str]) -> Any:
    if not isinstance(value, Mapping):
        errors.append(f"{where}: got {value!r}, expected keys and values")
        return {}
    return {str(key): bind(kind, item, f"{where}.{key}", errors) for key, item in value.items()}


def _bind_scalar(kind: Any, value: Any, where: str, errors: list[str]) -> Any:
    if kind is Any:
        return value
    if kind is float:
        number = _as_float(value)
        if number is not None:
            return number
    elif isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    errors.append(f"{where}: got {value!r}, expected {_name(kind)}")
    return None


def _as_float(value: Any) -> float | None:
    # YAML 1.1, which PyYAML reads, takes 1e-3 for text; people mean the number.
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _name(kind: Any) -> str:
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    if get_origin(kind) is Annotated:
        return f"{_name(get_args(kind)[0])} {get_args(kind)[1]}"
    if dataclasses.is_dataclass(kind):
        return "the keys " + ", ".join(_fields(kind))
    if isinstance(get_origin(kind), type) and issubclass(get_origin(kind), Sequence):
        return f"a list of {_name(get_args(kind)[0])}"
    return names.get(kind, str(kind))
