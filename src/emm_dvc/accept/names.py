"""The names that two versions of a program bind, scope by scope, and how they correspond."""

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


_SHOWN = 60  # characters of code in a message


class Difference(Exception):  # noqa: N818 - it is what the comparison finds
    """Two versions of a program differ in more than docstrings, comments and renames."""


def became(old: Any, new: Any) -> Difference:
    """The difference between two pieces of code."""
    return Difference(f"{shown(old)} became {shown(new)}")


def shown(node: Any) -> str:
    """Code in one short line."""
    if isinstance(node, list):
        text = ", ".join(map(shown, node)) or "nothing"
    elif isinstance(node, ast.expr | ast.stmt | ast.arguments | ast.arg):
        text = ast.unparse(node)
    else:
        text = type(node).__name__ if isinstance(node, ast.AST) else repr(node)
    line = text.partition("\n")[0]
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"


@dataclass(frozen=True)
class Origin:
    """Where an imported name comes from; ``name`` is None for a module itself."""

    module: str
    name: str | None


@dataclass
class Pairs:
    """A one-to-one correspondence of old and new names."""

    forward: dict[str, str] = field(default_factory=dict)
    backward: dict[str, str] = field(default_factory=dict)

    def add(self, old: str, new: str) -> None:
        """Note a pair; Difference if one of the names already has another partner."""
        if self.forward.setdefault(old, new) != new:
            raise Difference(f"{old!r} became {self.forward[old]!r} in one place, {new!r} here")
        if self.backward.setdefault(new, old) != old:
            raise Difference(f"both {self.backward[new]!r} and {old!r} became {new!r}")

    def renamed(self) -> dict[str, str]:
        """The pairs of different names."""
        return {old: new for old, new in self.forward.items() if old != new}


@dataclass
class Bindings:
    """The names that one version binds in one scope, and which of them are imports."""

    names: set[str] = field(default_factory=set)
    imports: dict[str, Origin] = field(default_factory=dict)


@dataclass
class Scope:
    """A scope of both versions. Names of a class are attributes and correspond by name."""

    kind: Literal["module", "class", "function"]
    old: Bindings
    new: Bindings
    pairs: Pairs = field(default_factory=Pairs)

    def pair(self, old: str, new: str) -> None:
        """Note that ``old`` became ``new`` here."""
        if self.kind == "class" and old != new:
            raise Difference(f"the attribute {old!r} became {new!r}")
        self.pairs.add(old, new)


def bindings(
    node: ast.Module | ast.ClassDef | Function | Comprehension, package: str = ""
) -> Bindings:
    """What ``node`` binds in its own scope; ``package`` resolves relative imports."""
    found, outer = Bindings(), set[str]()
    if isinstance(node, Comprehension):
        for generator in node.generators:
            _collect(generator.target, found, outer, package)
        return found
    if isinstance(node, Function):
        found.names |= {arg.arg for arg in all_arguments(node.args)}
    for statement in node.body if isinstance(node.body, list) else [node.body]:
        _collect(statement, found, outer, package)
    found.names -= outer
    return found


def steps(body: Sequence[ast.stmt], docstrings: bool) -> list[Any]:
    """The statements that do something; imports in a row are one list, in any order.

    ``docstrings`` says whether a string as a statement does something.
    """
    found: list[Any] = []
    for statement in body:
        value = statement.value if isinstance(statement, ast.Expr) else None
        is_text = isinstance(value, ast.Constant) and isinstance(value.value, str)
        if isinstance(statement, ast.Import | ast.ImportFrom):
            if not (found and isinstance(found[-1], list)):
                found.append([])
            found[-1].append(statement)
        elif not (isinstance(statement, ast.Pass) or (is_text and not docstrings)):
            found.append(statement)
    return found


def all_arguments(args: ast.arguments) -> list[ast.arg]:
    """Every parameter, in the order of the signature."""
    star = [args.vararg] if args.vararg else []
    stars = [args.kwarg] if args.kwarg else []
    return [*args.posonlyargs, *args.args, *star, *args.kwonlyargs, *stars]


def imported(
    statement: ast.Import | ast.ImportFrom, package: str = ""
) -> Iterable[tuple[str, Origin]]:
    """The local name and the origin of everything that an import statement binds."""
    if isinstance(statement, ast.ImportFrom):
        module = absolute(statement, package)
        for alias in statement.names:
            yield alias.asname or alias.name, Origin(module, alias.name)
        return
    for alias in statement.names:
        first = alias.name.partition(".")[0]
        yield alias.asname or first, Origin(alias.name if alias.asname else first, None)


def absolute(statement: ast.ImportFrom, package: str) -> str:
    """The full name of the module that ``from … import`` names."""
    if not statement.level:
        return statement.module or ""
    parts = package.split(".")
    base = parts[: len(parts) - statement.level + 1]
    return ".".join([*base, *([statement.module] if statement.module else [])])


def _collect(node: ast.AST, found: Bindings, outer: set[str], package: str) -> None:
    """Collect what is bound, and declared global or nonlocal, without entering inner scopes."""
    inside: Iterable[ast.AST] = ast.iter_child_nodes(node)
    match node:
        case ast.Name(ctx=ast.Store() | ast.Del()):
            found.names.add(node.id)
        case ast.Import() | ast.ImportFrom():
            found.imports.update(imported(node, package))
            found.names.update(found.imports)
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            found.names.add(node.name)
            inside = node.decorator_list
        case ast.Lambda():
            inside = ()
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            # A scope of its own, but `:=` binds outside of it.
            inside = [each.target for each in ast.walk(node) if isinstance(each, ast.NamedExpr)]
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
            found.names.add(name)
        case ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
            found.names.add(name)
        case ast.Global() | ast.Nonlocal():
            outer.update(node.names)
    for each in inside:
        _collect(each, found, outer, package)
