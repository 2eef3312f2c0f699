"""`emm check --fix` adds to conf/ what the stages of dvc.yaml depend on, with its default value."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from io import StringIO
from pathlib import Path
from typing import Any

from emm.config.files import read_yaml
from emm.config.project import DEFAULT_RECIPE, Project
from emm.core.files import write_text
from emm.fusion.settings import FusionSettings
from emm.training.settings import TrainingSettings
from emm_dvc.keys import absent_keys, has_key
from emm_dvc.round_trip import laid_out, round_trip

_DATA: Mapping[str, Any] = {"source": {"path": None}, "custom": None}
_HEADER = (
    "# What is written here replaces what the table determines, such as `max_epochs: 5` in\n"
    "# training: docs/configuration.md.\n"
)


def fix_keys(stages: Mapping[str, Mapping[str, Any]], project: Project) -> list[str]:
    """Add the keys that are absent; returns a line per file: "conf/shop/data.yaml: + tasks".

    The file of the recipe `default` is created, no other file. Comments and layout stay.
    """
    changes = []
    by_file: dict[Path, list[str]] = {}
    for file, key in absent_keys(stages, project):
        by_file.setdefault(file, []).append(key)
    for file, keys in by_file.items():
        name = file.parent.name
        new = file.stem == DEFAULT_RECIPE and name in project.active.datasets
        if file.exists() or (new and (file.parent / "data.yaml").exists()):
            added = ", ".join(_add(file, keys, project))
            changes += [f"{file.relative_to(project.root)}: + {added}"] if added else []
    return changes


def _add(file: Path, keys: Sequence[str], project: Project) -> list[str]:
    """Write the keys into a file; returns those that have a default."""
    yaml_file = round_trip()
    text = file.read_text(encoding="utf-8") if file.exists() else _HEADER
    tree = yaml_file.load(text) or yaml_file.load("{}")
    tree.fa.set_block_style()
    template = _template(file, tree, project)
    added = []
    for key in keys:
        parts = key.split(".")
        if not has_key(tree, parts) and _put(tree, parts, template):
            added.append(key)
    out = StringIO()
    yaml_file.dump(tree, out)
    written = out.getvalue()
    write_text(file, written if file.exists() or written.startswith("#") else _HEADER + written)
    return added


def _put(tree: Any, parts: Sequence[str], template: Any) -> bool:
    """Set a key to its value in the template, {} if it has none; whether its section is one."""
    *sections, last = parts
    for section in sections:
        template = template.get(section, {}) if isinstance(template, Mapping) else {}
        if tree.get(section) is None:
            tree[section] = {}
        tree = tree[section]
        if not isinstance(tree, Mapping):
            return False
    value = template.get(last, {}) if isinstance(template, Mapping) else {}
    tree[last] = {} if isinstance(value, _Leaves) else laid_out(value, block=not sections)
    return True


def _template(file: Path, tree: Mapping[str, Any], project: Project) -> Mapping[str, Any]:
    """The values of keys that a file lacks."""
    if file.stem == "data":
        custom = tree.get("custom")
        tasks = custom.get("tasks") if isinstance(custom, Mapping) else None
        return {**_DATA, **({"tasks": list(tasks)} if isinstance(tasks, Mapping) else {})}
    shared = read_yaml(project.conf / f"{DEFAULT_RECIPE}.yaml")
    if file.stem == DEFAULT_RECIPE:
        return shared
    # In another recipe, what is absent has the fixed default: writing it changes nothing.
    fixed: dict[str, Any] = {"training": TrainingSettings(), "fusion": FusionSettings()}
    leaves = {name: json.loads(json.dumps(asdict(kind))) for name, kind in fixed.items()}
    return {"train": shared["train"], **{name: _Leaves(keys) for name, keys in leaves.items()}}


class _Leaves(dict[str, Any]):
    """The keys of a section that is added empty if it is absent as a whole."""
