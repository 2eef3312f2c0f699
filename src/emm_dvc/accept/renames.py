"""The names of a program, and which renames can't alter what it computes."""

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from emm_dvc.accept.names import Difference, Origin, Pairs, Scope, bindings

# A function: its module and name, or the scope (by id) in which it is nested and its name.
Key = tuple[str | int, str]
Import = tuple[Origin, str]

_TRANSPARENT = frozenset({"contextmanager", "cache", "lru_cache", "no_grad", "override"})
_NAMES_READ = frozenset({"__name__", "__qualname__"})
_DOCSTRINGS_READ = frozenset({"__doc__", "getdoc"})
_FRAMES_READ = frozenset({"locals", "vars", "globals", "eval", "exec"})


@dataclass
class Module:
    """Both versions of a module and the correspondence of its names."""

    path: str
    old: ast.Module
    new: ast.Module
    scope: Scope


@dataclass(frozen=True)
class Signature:
    """How a function's parameters were renamed; a decorator may call it by their names."""

    where: str
    renamed: Mapping[str, str]
    decorated: bool


@dataclass
class Program:
    """All modules of both versions, and what has to hold of them in the end."""

    modules: dict[str, Module]
    signatures: dict[Key, Signature] = field(default_factory=dict)
    references: Counter[Key] = field(default_factory=Counter)
    calls: Counter[Key] = field(default_factory=Counter)
    keywords: list[tuple[str, Key | None, str, str]] = field(default_factory=list)
    imports: list[tuple[str, Scope, set[Import], set[Import]]] = field(default_factory=list)
    exported: list[tuple[str, Pairs, set[str], set[str]]] = field(default_factory=list)

    def trees(self) -> Iterator[ast.Module]:
        """The syntax trees of both versions."""
        for module in self.modules.values():
            yield from (module.old, module.new)

    def is_module(self, origin: Origin) -> str | None:
        """The name of the module that an imported name refers to, if it is one of these."""
        full = f"{origin.module}.{origin.name}" if origin.name else origin.module
        return full if full in self.modules else None

    def pairs_of(self, origin: Origin) -> Pairs | None:
        """The correspondence to which an imported name belongs; None: it keeps its name."""
        if origin.name is None or self.is_module(origin):
            return None
        module = self.modules.get(origin.module)
        return module.scope.pairs if module else None

    def key_of(self, origin: Origin) -> Key | None:
        """The function's own key behind imports from module to module."""
        for _ in self.modules:
            module = self.modules.get(origin.module)
            if module is None or origin.name is None:
                return None
            further = module.scope.old.imports.get(origin.name)
            if further is None:
                return origin.module, origin.name
            origin = further
        return None


def parse_program(old: Mapping[str, str], new: Mapping[str, str]) -> Program:
    """Parse both versions of all files, given by path."""
    modules = {}
    for path in sorted(old):
        name, package = module_name(path)
        before, after = _parse(path, old[path]), _parse(path, new[path])
        scope = Scope("module", bindings(before, package), bindings(after, package))
        modules[name] = Module(path, before, after, scope)
    return Program(modules)


def module_name(path: str) -> tuple[str, str]:
    """A file's module and the package in which its relative imports start."""
    parts = path.removesuffix(".py").removeprefix("src/").split("/")
    if parts[-1] == "__init__":
        return ".".join(parts[:-1]), ".".join(parts[:-1])
    return ".".join(parts), ".".join(parts[:-1])


def check_renames(program: Program) -> None:
    """Raise Difference for a rename that may alter results, or that isn't done everywhere."""
    for where, key, old, new in program.keywords:
        signature = program.signatures.get(key) if key else None
        if (signature.renamed if signature else {}).get(old, old) != new:
            raise Difference(f"{where}: the argument {old!r} became {new!r}")
    for key, signature in program.signatures.items():
        plain = program.references[key] == program.calls[key] and not signature.decorated
        if signature.renamed and not plain:
            renamed = ", ".join(f"{old} to {new}" for old, new in signature.renamed.items())
            raise Difference(
                f"{signature.where}: parameters were renamed ({renamed}), and not all uses of the "
                "function are plain calls"
            )
    _check_imports(program)
    _check_modules(program)


def reads_docstrings(program: Program) -> bool:
    """Whether code looks at docstrings, which makes them more than comments."""
    return any(_name_in(node) in _DOCSTRINGS_READ for node in _nodes(program))


def reads_frames(tree: ast.Module) -> bool:
    """Whether code looks at its local names as strings."""
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in _FRAMES_READ
        and (node.func.id != "vars" or not node.args)
        for node in ast.walk(tree)
    )


def is_transparent(decorator: ast.expr) -> bool:
    """Whether a decorator neither reads a function's names nor calls it by keyword."""
    return (
        _name_in(decorator.func if isinstance(decorator, ast.Call) else decorator) in _TRANSPARENT
    )


def exported_names(node: ast.stmt) -> set[str] | None:
    """What ``__all__ = [...]`` lists; None for another statement."""
    if not (isinstance(node, ast.Assign) and _name_in(node.targets[0]) == "__all__"):
        return None
    constants = [item for item in ast.walk(node.value) if isinstance(item, ast.Constant)]
    return {str(item.value) for item in constants}


def _check_imports(program: Program) -> None:
    for where, scope, old, new in program.imports:
        mapped = set()
        for origin, local in old:
            pairs = program.pairs_of(origin)
            name = pairs.forward.get(origin.name, origin.name) if pairs and origin.name else None
            here = Origin(origin.module, name or origin.name)
            mapped.add((here, scope.pairs.forward.get(local, local)))
        if mapped != new:
            names = sorted(str(origin.name or origin.module) for origin, _ in mapped ^ new)
            raise Difference(f"{where}: other imports: {', '.join(dict.fromkeys(names))}")
    for where, pairs, before, after in program.exported:
        if {pairs.forward.get(name, name) for name in before} != after:
            raise Difference(f"{where}: __all__ has other names")


def _check_modules(program: Program) -> None:
    if not any(module.scope.pairs.renamed() for module in program.modules.values()):
        return
    mentioned = {word for tree in program.trees() for word in _mentioned(tree)}
    names_read = any(
        isinstance(node, ast.Attribute) and node.attr in _NAMES_READ for node in _nodes(program)
    )
    for module in program.modules.values():
        for old, new in module.scope.pairs.renamed().items():
            if fault := _fault(module, old, new, mentioned, names_read):
                raise Difference(f"{module.path}: {old!r} became {new!r}, {fault}")


def _fault(module: Module, old: str, new: str, mentioned: set[str], names_read: bool) -> str | None:
    """Why a rename of a name of the module may alter results."""
    if old not in module.scope.old.names or new not in module.scope.new.names:
        return "and the module doesn't define it"
    if {old, new} & mentioned:
        return "and a string has this name"
    node = next((node for node in module.old.body if getattr(node, "name", None) == old), None)
    if isinstance(node, ast.ClassDef) and names_read:
        return "and the code reads the names of classes (__name__)"
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not all(
        map(is_transparent, node.decorator_list)
    ):
        return "and a decorator may read its name"
    return None


def _mentioned(tree: ast.Module) -> Iterator[str]:
    """Words of strings that may name something, such as ``"emm.models.mmoe:MMoE"``."""
    lists = [node for node in tree.body if exported_names(node) is not None]
    exported = {id(item) for node in lists for item in ast.walk(node)}
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) and id(node) not in exported else None
        if isinstance(text, str) and not re.search(r"\s", text):
            yield from re.findall(r"\w+", text)


def _nodes(program: Program) -> Iterator[ast.AST]:
    for tree in program.trees():
        yield from ast.walk(tree)


def _name_in(node: ast.AST) -> str:
    """The name that an expression ends with."""
    name: str = getattr(node, "attr", getattr(node, "id", ""))
    return name


def _parse(path: str, text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except SyntaxError as error:
        raise Difference(f"{path}:{error.lineno}: it is no Python: {error.msg}") from error
