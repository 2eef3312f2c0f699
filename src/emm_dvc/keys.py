"""The keys of conf/ that the stages of dvc.yaml depend on.

A setting may be left out of conf/ where its default will do, but DVC fails, after the stage has
run, if a key that it depends on isn't in the file.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from string import Template
from typing import Any

from emm.config.files import read_yaml
from emm.config.project import Project


class _Template(Template):
    """${item}, ${item.model} and ${recipe}, as dvc.yaml has them."""

    braceidpattern = r"[a-z_]+(?:\.[a-z_]+)?"


def missing_keys(stages: Mapping[str, Mapping[str, Any]], project: Project) -> list[str]:
    """Keys that active stages depend on and that are in no file of conf/, as messages."""
    return [
        f"{file.relative_to(project.root)} lacks the key {key}, which a stage depends on"
        for file, key in absent_keys(stages, project)
        if file.exists()
    ]


def absent_keys(
    stages: Mapping[str, Mapping[str, Any]], project: Project
) -> list[tuple[Path, str]]:
    """The files of conf/, and the keys that active stages depend on and that aren't in them.

    A file that doesn't exist has none of its keys.
    """
    found: dict[Path, Any] = {}
    absent = []
    for stage in stages.values():
        for values in _items(stage, project):
            for name, key in _keys(stage, values):
                file = project.root / name
                if file not in found:
                    found[file] = read_yaml(file) if file.exists() else {}
                if not has_key(found[file], key.split(".")):
                    absent.append((file, key))
    return list(dict.fromkeys(absent))


def has_key(tree: Any, parts: Sequence[str]) -> bool:
    """Whether a tree has the key with these parts."""
    for part in parts:
        if not isinstance(tree, Mapping) or part not in tree:
            return False
        tree = tree[part]
    return True


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
