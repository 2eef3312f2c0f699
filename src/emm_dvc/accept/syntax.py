"""Whether two versions of a program are the same but for docstrings, comments and renames.

Both syntax trees are walked together. A name may have become another one if it did so in its entire
scope, across modules. Attributes, methods, parameters of methods, keyword-only parameters of public
functions, strings and numbers have to be equal: they may come from the configuration or be stored
with a model.
"""

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from emm_dvc.accept.names import (
    Difference,
    Function,
    Scope,
    all_arguments,
    became,
    bindings,
    imported,
    shown,
    steps,
)
from emm_dvc.accept.renames import (
    Module,
    Program,
    Signature,
    check_renames,
    exported_names,
    is_transparent,
    module_name,
    parse_program,
    reads_docstrings,
)
from emm_dvc.accept.resolve import Names

_WITHOUT_MEANING = frozenset({"kind", "type_comment"})
_STARRED = ("vararg", "kwarg")


def first_difference(old: Mapping[str, str], new: Mapping[str, str]) -> str | None:
    """Where two versions of a program differ, or None for the same program.

    ``old`` and ``new`` have the source text by path.
    """
    for path in sorted({*old} ^ {*new}):
        return f"{path} was {'added' if path in new else 'removed'}"
    try:
        program = parse_program(old, new)
        docstrings = reads_docstrings(program)
        for name, module in program.modules.items():
            _Walk(program, name, module, docstrings).run()
        check_renames(program)
    except Difference as found:
        return str(found)
    return None


class _Walk:
    """Compare the two versions of one module."""

    def __init__(self, program: Program, name: str, module: Module, docstrings: bool) -> None:
        self.program, self.module, self.docstrings = program, module, docstrings
        self.package = module_name(module.path)[1]
        self.names = Names(program, name, module)
        self.line = 1

    def run(self) -> None:
        try:
            self._statements(self.module.old.body, self.module.new.body)
        except Difference as found:
            raise Difference(f"{self._where()}: {found}") from found

    def _where(self) -> str:
        return f"{self.module.path}:{self.line}"

    def _same(self, old: Any, new: Any) -> None:
        """Compare two fields of nodes: nodes, lists of them, or plain values."""
        if isinstance(old, list) and isinstance(new, list):
            if any(isinstance(each, ast.stmt) for each in [*old, *new]):
                self._statements(old, new)
            elif len(old) != len(new):
                raise became(old, new)
            else:
                for before, after in zip(old, new, strict=True):
                    self._same(before, after)
        elif type(old) is not type(new):
            raise became(old, new)
        elif isinstance(old, ast.AST):
            self.line = getattr(new, "lineno", self.line)
            self._nodes(old, new)
        elif repr(old) != repr(new):
            raise became(old, new)

    def _nodes(self, old: Any, new: Any) -> None:
        match old:
            case ast.Name():
                self.names.pair(old.id, new.id)
                self.names.refer(old)
            case ast.Attribute():
                self.names.pair_attributes(old, new)
                self._same(old.value, new.value)
                self.names.refer(old)
            case ast.Global() | ast.Nonlocal():
                self._captures(old, new, old.names, new.names)
            case ast.ExceptHandler() | ast.MatchAs() | ast.MatchStar():
                self._captures(old, new, [old.name], [new.name])
                self._fields(old, new, "name")
            case ast.MatchMapping():
                self._captures(old, new, [old.rest], [new.rest])
                self._fields(old, new, "rest")
            case ast.Call():
                self._call(old, new)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._function(old, new)
            case ast.Lambda():
                self._parameters(old.args, new.args, "all")
                self._inside("function", old, new, lambda: self._same(old.body, new.body))
            case ast.ClassDef():
                self.names.pair(old.name, new.name)
                self._fields(old, new, "name", "body")
                self._inside("class", old, new, lambda: self._statements(old.body, new.body))
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                self._comprehension(old, new)
            case ast.Assign():
                self._assign(old, new)
            case _:
                self._fields(old, new)

    def _fields(self, old: ast.AST, new: ast.AST, *without: str) -> None:
        for name in old._fields:
            if name not in _WITHOUT_MEANING and name not in without:
                self._same(getattr(old, name, None), getattr(new, name, None))

    def _captures(self, old: Any, new: Any, before: Sequence[Any], after: Sequence[Any]) -> None:
        """Names that a node has as plain strings; None for no name."""
        if list(map(bool, before)) != list(map(bool, after)):
            raise became(old, new)
        for one, other in zip(before, after, strict=True):
            if one:
                self.names.pair(one, other)

    def _statements(self, old: Sequence[ast.stmt], new: Sequence[ast.stmt]) -> None:
        before, after = (steps(body, self.docstrings) for body in (old, new))
        for first, second in zip(before, after, strict=False):
            if isinstance(first, list) and isinstance(second, list):
                self._imports(first, second)
            else:
                self._same(first, second)
        if len(before) != len(after):
            longer = before if len(before) > len(after) else after
            extra = longer[min(len(before), len(after))]
            raise Difference(f"{shown(extra)} was {'removed' if longer is before else 'added'}")

    def _imports(self, old: Sequence[Any], new: Sequence[Any]) -> None:
        """Note the imports; whether they correspond is known once all renames are."""
        self.line = new[0].lineno
        before, after = (
            {(origin, local) for each in block for local, origin in imported(each, self.package)}
            for block in (old, new)
        )
        modules, others = (
            {alias.name for each in block if isinstance(each, ast.Import) for alias in each.names}
            for block in (old, new)
        )
        if modules != others:
            raise Difference(f"other imports: {', '.join(sorted(modules ^ others))}")
        self.program.imports.append((self._where(), self.names.here, before, after))

    def _assign(self, old: ast.Assign, new: ast.Assign) -> None:
        before, after = exported_names(old), exported_names(new)
        if before is not None and after is not None and self.names.here.kind == "module":
            self.program.exported.append((self._where(), self.names.here.pairs, before, after))
        else:
            self._fields(old, new)

    def _call(self, old: ast.Call, new: ast.Call) -> None:
        key = self.names.key(old.func)
        if key and all(word.arg for word in old.keywords):
            self.program.calls[key] += 1
        self._fields(old, new, "keywords")
        if [bool(word.arg) for word in old.keywords] != [bool(word.arg) for word in new.keywords]:
            raise became(old, new)
        for before, after in zip(old.keywords, new.keywords, strict=True):
            self._same(before.value, after.value)
            if before.arg and after.arg:
                self.program.keywords.append((self._where(), key, before.arg, after.arg))

    def _function(self, old: Any, new: Any) -> None:
        scope = self.names.pair(old.name, new.name)
        self._same(old.decorator_list, new.decorator_list)
        self._same(old.returns, new.returns)
        public = not old.name.startswith("_")
        free = {"class": "none", "module": "args" if public else "all", "function": "all"}
        renamed = self._parameters(old.args, new.args, free[self.names.here.kind])
        if scope is not None:
            decorated = not all(map(is_transparent, old.decorator_list))
            key = self.names.own_key(scope, old.name)
            self.program.signatures[key] = Signature(self._where(), renamed, decorated)
        self._inside("function", old, new, lambda: self._statements(old.body, new.body))

    def _parameters(self, old: ast.arguments, new: ast.arguments, free: str) -> dict[str, str]:
        """Compare signatures; ``free`` says whose names may change: all, args or none.

        Returns: the parameters with another name that callers may use as a keyword.
        """
        renamed = {}
        for kind in ("posonlyargs", "args", "kwonlyargs"):
            before, after = getattr(old, kind), getattr(new, kind)
            if len(before) != len(after):
                raise became(old, new)
            for one, other in zip(before, after, strict=True):
                if one.arg != other.arg and kind != "posonlyargs":
                    if free not in ("all", kind) or old.kwarg:
                        raise Difference(f"the parameter {one.arg!r} became {other.arg!r}")
                    renamed[one.arg] = other.arg
        if any(bool(getattr(old, kind)) != bool(getattr(new, kind)) for kind in _STARRED):
            raise became(old, new)
        for one, other in zip(all_arguments(old), all_arguments(new), strict=True):
            self._same(one.annotation, other.annotation)
        self._same(old.defaults, new.defaults)
        self._same(old.kw_defaults, new.kw_defaults)
        return renamed

    def _comprehension(self, old: Any, new: Any) -> None:
        self._same(old.generators[0].iter, new.generators[0].iter)  # evaluated outside
        if len(old.generators) != len(new.generators):
            raise became(old, new)

        def inside() -> None:
            self._fields(old.generators[0], new.generators[0], "iter")
            self._same(old.generators[1:], new.generators[1:])
            self._fields(old, new, "generators")

        self._inside("function", old, new, inside)

    def _inside(self, kind: Any, old: Any, new: Any, compare: Callable[[], None]) -> None:
        """Compare what is in a scope of its own."""
        found = Scope(kind, bindings(old, self.package), bindings(new, self.package))
        self.names.scopes.append(found)
        if isinstance(old, Function):
            for one, other in zip(all_arguments(old.args), all_arguments(new.args), strict=True):
                found.pair(one.arg, other.arg)
        compare()
        self.names.scopes.pop()
