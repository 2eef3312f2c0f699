"""The keys of conf/ that the stages of dvc.yaml depend on.

A setting may be left out of conf/ where its default will do, but DVC fails, after the stage has
run, if a key that it depends on isn't in the file.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from string import Template
from typing import Any

import yaml

from emm.config.project import Project


class _Template(Template):
    """${item}, ${item.model} and ${recipe}, as dvc.yaml has them."""

    braceidpattern = r"[a-z_]+(?:\.[a-z_]+)?"


def missing_keys(stages: Mapping[str, Mapping[str, Any]], project: Project) -> list[str]:
    """Keys that active stages depend on and that are in no file of conf/, as messages."""
    found: dict[Path, Any] = {}
    faults = []
    for stage in stages.values():
        for values in _items(stage, project):
            for file, key in _keys(stage, values):
                path = project.root / file
                if path not in found and path.exists():
                    found[path] = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
                if path in found and not _has(found[path], key.split(".")):
                    faults.append(f"{file} lacks the key {key}, which a stage depends on")
    return list(dict.fromkeys(faults))


def _items(stage: Mapping[str, Any], project: Project) -> Iterator[dict[str, str]]:
    """The values of the templates of each of a stage's cells."""
    recipe = {"recipe": project.active.recipe}
    if "foreach" in stage:
        for name in _listed(stage["foreach"], project):
            yield {"item": name, **recipe}
    elif "matrix" in stage:
        axes = {axis: _listed(names, project) for axis, names in stage["matrix"].items()}
        for cell in product(*axes.values()):
            yield {**{f"item.{a}": v for a, v in zip(axes, cell, strict=True)}, **recipe}
    else:
        yield recipe


def _listed(names: Any, project: Project) -> Sequence[str]:
    """A list of dvc.yaml, or the list of params.yaml that it names."""
    if isinstance(names, str):
        return tuple(getattr(project.active, names.strip("${}")))
    return tuple(map(str, names))


def _keys(stage: Mapping[str, Any], values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Files of conf/ and the keys in them that one cell of a stage depends on."""
    for entry in stage.get("params", ()):
        for file, keys in entry.items() if isinstance(entry, Mapping) else ():
            for key in keys or ():
                yield _Template(file).substitute(values), _Template(key).substitute(values)


def _has(tree: Any, parts: Sequence[str]) -> bool:
    for part in parts:
        if not isinstance(tree, Mapping) or part not in tree:
            return False
        tree = tree[part]
    return True
