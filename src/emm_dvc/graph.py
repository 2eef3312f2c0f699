"""What dvc.yaml must say: the code each stage runs, and the rows each gathering stage waits for."""

import ast
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from emm.config import OTHER_ROWS, Params

# Adding a line to the registry must not run every model again. It tells nothing that a model's
# name doesn't: a test holds that the name is the module's.
_PACKAGES = ("emm", "emm_dvc", "fewshot")
REGISTRY = Path("src/emm/models/__init__.py")


def imported_files(script: Path, root: Path) -> set[Path]:
    """First-party files that ``script`` imports, directly or not, relative to ``root``."""
    found: set[Path] = set()
    waiting = [script]
    while waiting:
        file = waiting.pop()
        for module in _imports(root / file):
            fresh = set(_files(module, root)) - found
            found |= fresh
            waiting.extend(fresh)
    return found


def uncovered(script: Path, deps: Iterable[str], root: Path) -> list[Path]:
    """Files that ``script`` runs and ``deps`` (files or folders) don't name, itself included."""
    known = [Path(dep) for dep in deps]
    needed = {script, *imported_files(script, root)} - {REGISTRY}
    empty = {file for file in needed if _only_docstring(root / file)}
    return sorted(
        file
        for file in needed - empty
        if not any(file == dep or dep in file.parents for dep in known)
    )


def read_stages(path: Path) -> dict[str, dict[str, Any]]:
    """The stages of dvc.yaml as written, with foreach's inner part lifted out."""
    stages = yaml.safe_load(path.read_text(encoding="utf-8"))["stages"]
    return {name: {**stage, **stage.get("do", {})} for name, stage in stages.items()}


def scripts_of(stage: Mapping[str, Any]) -> list[Path]:
    """The scripts that a stage's commands run."""
    commands = [stage["cmd"]] if isinstance(stage["cmd"], str) else stage["cmd"]
    return [Path(command.split()[1]) for command in commands]


def missing_rows(stages: Mapping[str, Mapping[str, Any]], params: Params) -> list[str]:
    """What the gathering stages' deps and the lists of params.yaml don't agree on, as messages."""
    faults = []
    for stage, parent, rows in (
        ("decompose", "data/models", (*params.trained, *OTHER_ROWS)),
        ("report", "data/evaluation", params.table),
        ("meta-report", "data/evaluation", [f"maml-{kind}" for kind in params.few_shot.episodes]),
    ):
        pattern = re.compile(rf"{parent}/\$\{{item\}}/\$\{{recipe\}}/([\w-]+)")
        matches = (pattern.fullmatch(dep) for dep in stages[stage]["deps"])
        listed = {match.group(1) for match in matches if match}
        line = f"{parent}/${{item}}/${{recipe}}/"
        faults += [f"{stage} lacks the dep {line}{row}" for row in rows if row not in listed]
        faults += [
            f"{stage} has the dep {line}{row}, which no list names"
            for row in sorted(listed - {*rows})
        ]
    return faults


def _imports(file: Path) -> list[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return [name for name in names if name.split(".")[0] in _PACKAGES]


def _files(module: str, root: Path) -> list[Path]:
    """The module's file and those of the packages around it."""
    parts = module.split(".")
    found = []
    for length in range(1, len(parts) + 1):
        base = Path("src", *parts[:length])
        found += [
            file
            for file in (base / "__init__.py", base.with_suffix(".py"))
            if (root / file).is_file()
        ]
    return found


def _only_docstring(file: Path) -> bool:
    body = ast.parse(file.read_text(encoding="utf-8")).body
    return all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body)
