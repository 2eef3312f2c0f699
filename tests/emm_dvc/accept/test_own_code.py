"""The comparison of syntax on edited versions of the project's own code."""

import ast
import copy
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from emm_dvc.accept.syntax import first_difference

ROOT = Path(__file__).parents[3]
SOURCES = {
    str(path.relative_to(ROOT)): path.read_text()
    for folder in ("src/emm/nn", "src/emm/metrics", "src/emm_dvc")
    for path in (ROOT / folder).rglob("*.py")
}


def difference(old: str, new: str) -> str | None:
    return first_difference({"a.py": old}, {"a.py": new})


def test_the_projects_own_code_without_comments_is_the_same() -> None:
    bare = {path: ast.unparse(ast.parse(text)) for path, text in SOURCES.items()}
    assert first_difference(SOURCES, bare) is None


class Rename(ast.NodeTransformer):
    """Give every local variable of a function another name."""

    def __init__(self, names: set[str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(f"{node.id}_", node.ctx) if node.id in self.names else node


def locals_of(function: ast.FunctionDef) -> set[str]:
    """Names that only ``for`` and ``=`` bind, and that no inner scope binds, too."""
    nodes = list(ast.walk(function))
    inner: Any = ast.FunctionDef | ast.Lambda | ast.ClassDef
    if any(isinstance(node, inner) for node in nodes[1:]):
        return set()
    bound = {
        node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    others = {node.arg for node in nodes if isinstance(node, ast.arg)}
    others |= {
        name for node in nodes if isinstance(node, ast.Global | ast.Nonlocal) for name in node.names
    }
    others |= {
        node.name
        for node in nodes
        if isinstance(node, ast.ExceptHandler | ast.MatchAs) and node.name
    }
    return bound - others


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(sorted(SOURCES)), st.data())
def test_local_variables_of_the_projects_own_code_may_be_renamed(
    path: str, data: st.DataObject
) -> None:
    tree = ast.parse(SOURCES[path])
    functions = [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and locals_of(node)
    ]
    if functions and not {"locals", "eval"} & {getattr(node, "id", "") for node in ast.walk(tree)}:
        function = data.draw(st.sampled_from(functions))
        Rename(locals_of(function)).visit(function)
        assert difference(SOURCES[path], ast.unparse(tree)) is None


def mutants(node: ast.AST) -> list[tuple[str, Any]]:
    """Other values for a field of a node: each makes another program."""
    match node:
        case ast.Constant(value=bool(value)):
            return [("value", not value)]
        case ast.Constant(value=int(value)):
            return [("value", value + 1), ("value", float(value))]
        case ast.BinOp() if ast.dump(node.left) != ast.dump(node.right):
            return [("left", node.right)]
        case ast.Compare(ops=[_]):
            return [("ops", [ast.Is()] if not isinstance(node.ops[0], ast.Is) else [ast.In()])]
        case ast.Attribute(attr=attr):
            return [("attr", f"{attr}_")]
        case ast.keyword(arg=str(arg)):
            return [("arg", f"{arg}_")]
        case ast.Return(value=ast.expr()):
            return [("value", None)]
    return []


@settings(deadline=None, max_examples=100)
@given(st.sampled_from(sorted(SOURCES)), st.data())
def test_a_mutation_of_the_projects_own_code_is_found(path: str, data: st.DataObject) -> None:
    tree = copy.deepcopy(ast.parse(SOURCES[path]))
    found = [(node, *mutant) for node in ast.walk(tree) for mutant in mutants(node)]
    if found:
        node, field, value = data.draw(st.sampled_from(found))
        setattr(node, field, value)
        assert difference(SOURCES[path], ast.unparse(ast.fix_missing_locations(tree)))
