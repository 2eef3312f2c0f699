"""The names in one module of a program: where they are bound, and what they stand for."""

import ast

from emm_dvc.accept.names import Difference, Origin, Scope
from emm_dvc.accept.renames import Key, Module, Program, reads_frames


class Names:
    """The stack of scopes at one place of both versions of a module."""

    def __init__(self, program: Program, name: str, module: Module) -> None:
        self.program, self.name = program, name
        self.scopes = [module.scope]
        self.local_renames = not (reads_frames(module.old) or reads_frames(module.new))

    @property
    def here(self) -> Scope:
        """The innermost scope."""
        return self.scopes[-1]

    def pair(self, old: str, new: str) -> Scope | None:
        """Note that one name became another.

        Returns: the scope that binds both, None for builtin names.
        """
        scope = self._resolve(old, new=False)
        if scope is not self._resolve(new, new=True) or (scope is None and old != new):
            raise Difference(f"{old!r} became {new!r}, which is something else")
        if scope is None:
            return None
        if old != new and scope.kind == "function" and not self.local_renames:
            raise Difference(f"{old!r} became {new!r}, and the module reads its local names")
        scope.pair(old, new)
        before, after = scope.old.imports.get(old), scope.new.imports.get(new)
        if before and after:
            self._pair_imported(before, after)
        elif before or after:
            raise Difference(f"{old!r} became {new!r}, which is something else")
        return scope

    def pair_attributes(self, old: ast.Attribute, new: ast.Attribute) -> None:
        """Note that an attribute became another: only the names of a module may."""
        module = self._module_of(old.value)
        pairs = self.program.pairs_of(Origin(module, old.attr)) if module else None
        if pairs is not None:
            pairs.add(old.attr, new.attr)
        elif old.attr != new.attr:
            raise Difference(f"the attribute {old.attr!r} became {new.attr!r}")

    def key(self, node: ast.expr) -> Key | None:
        """The function of the program that an expression of the old version refers to."""
        if isinstance(node, ast.Attribute):
            module = self._module_of(node.value)
            return self.program.key_of(Origin(module, node.attr)) if module else None
        if not isinstance(node, ast.Name):
            return None
        scope = self._resolve(node.id, new=False)
        origin = scope.old.imports.get(node.id) if scope else None
        if origin:
            return self.program.key_of(origin)
        return self.own_key(scope, node.id) if scope else None

    def own_key(self, scope: Scope, name: str) -> Key:
        """The key of a function defined in ``scope``."""
        return (self.name if scope.kind == "module" else id(scope)), name

    def refer(self, node: ast.expr) -> None:
        """Count a use of a function."""
        if key := self.key(node):
            self.program.references[key] += 1

    def _resolve(self, name: str, new: bool) -> Scope | None:
        for depth, scope in enumerate(reversed(self.scopes)):
            bound = scope.new if new else scope.old
            if name in bound.names and (depth == 0 or scope.kind != "class"):
                return scope
        return None

    def _pair_imported(self, old: Origin, new: Origin) -> None:
        pairs = self.program.pairs_of(old)
        if old.module != new.module or (pairs is None and old != new):
            raise Difference(f"{old.module}.{old.name} became {new.module}.{new.name}")
        if pairs is not None and old.name and new.name:
            pairs.add(old.name, new.name)

    def _module_of(self, node: ast.expr) -> str | None:
        """The module of the program that an expression of the old version refers to."""
        if isinstance(node, ast.Name):
            scope = self._resolve(node.id, new=False)
            origin = scope.old.imports.get(node.id) if scope else None
            return self.program.is_module(origin) if origin else None
        if isinstance(node, ast.Attribute) and (parent := self._module_of(node.value)):
            return self.program.is_module(Origin(parent, node.attr))
        return None
