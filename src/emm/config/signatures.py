"""Keyword-only arguments of a model, read from its source where importing it would take seconds.

A model's signature is the schema of its section. `emm check` reads it without importing the
model's module, and with it torch, wherever the annotations are made of light parts.
"""

import ast
import builtins
import inspect
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_type_hints

REQUIRED = inspect.Parameter.empty
"""The default of an argument that has none."""

Keywords = Mapping[str, tuple[Any, Any]]
"""Annotation and default by name, in the order of the signature."""

_UNREADABLE = (AttributeError, LookupError, StopIteration, SyntaxError, TypeError, ValueError)
"""What a source is refused with that needs its module to be imported."""

_LIGHT = ("collections", "typing", "dataclasses", "pydantic", "emm.config", "emm.core")


def keywords_of(target: Callable[..., Any] | str) -> Keywords:
    """The keyword-only arguments of a class, a function, or of a class named ``module:Class``."""
    if isinstance(target, str):
        try:
            return _from_source(target)
        except _UNREADABLE:
            module, _, name = target.partition(":")
            return keywords_of(getattr(import_module(module), name))
    function: Any = target
    if isinstance(target, type):
        function = inspect.getattr_static(target, "__init__")
    hints = get_type_hints(function, include_extras=True)
    return {
        name: (hints.get(name, Any), parameter.default)
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


@cache
def _from_source(target: str) -> Keywords:
    module, _, name = target.partition(":")
    scope = _Scope(module)
    body = next(node.body for node in scope.nodes(ast.ClassDef) if node.name == name)
    init = next(n for n in body if isinstance(n, ast.FunctionDef) and n.name == "__init__")
    pairs = zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True)
    return {
        argument.arg: (
            _annotation(scope, argument.annotation),
            REQUIRED if default is None else scope.value(default),
        )
        for argument, default in pairs
    }


def _annotation(scope: "_Scope", expression: ast.expr | None) -> Any:
    """The type that an annotation stands for; TypeError for one that is text."""
    value = Any if expression is None else scope.value(expression)
    if isinstance(value, str):
        raise TypeError(value)
    return value


class _Scope(dict[str, Any]):
    """The names of a module, each evaluated when it is asked for; the module isn't imported."""

    def __init__(self, module: str) -> None:
        super().__init__()
        found = find_spec(module)
        if found is None or found.origin is None:
            raise KeyError(module)
        self._tree = ast.parse(Path(found.origin).read_text(encoding="utf-8"))

    def nodes(self, kind: type[Any]) -> list[Any]:
        """The statements of a kind at the module's top level."""
        return [node for node in self._tree.body if isinstance(node, kind)]

    def value(self, node: ast.expr) -> Any:
        """What an annotation or a default stands for; TypeError for other expressions."""
        match node:
            case ast.Constant(value):
                return value
            case ast.Name(name):
                return self[name]
            case ast.Attribute(owner, name):
                return getattr(self.value(owner), name)
            case ast.Tuple(items):
                return tuple(map(self.value, items))
            case ast.List(items):
                return list(map(self.value, items))
            case ast.UnaryOp(ast.USub(), operand):
                return -self.value(operand)
            case ast.BinOp(left, ast.BitOr(), right):
                return self.value(left) | self.value(right)
            case ast.Subscript(generic, arguments):
                return self.value(generic)[self.value(arguments)]
            case ast.Call(function, arguments, keywords):
                named = {str(each.arg): self.value(each.value) for each in keywords}
                return self.value(function)(*map(self.value, arguments), **named)
        raise TypeError(ast.unparse(node))

    def __missing__(self, name: str) -> Any:
        for node in self.nodes(ast.ImportFrom):
            if any((alias.asname or alias.name) == name for alias in node.names):
                self[name] = _imported(str(node.module), node, name)
                return self[name]
        for node in self.nodes(ast.Assign):
            if any(isinstance(each, ast.Name) and each.id == name for each in node.targets):
                self[name] = self.value(node.value)
                return self[name]
        self[name] = vars(builtins)[name]
        return self[name]


def _imported(module: str, node: ast.ImportFrom, name: str) -> Any:
    original = next(a.name for a in node.names if (a.asname or a.name) == name)
    light = module.startswith(_LIGHT) or module.endswith(".settings")
    return getattr(import_module(module), original) if light else _Scope(module)[original]
