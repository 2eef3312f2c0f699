"""`emm check --fix` names the outside models in params.yaml, and keeps the columns they read."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from emm.config.files import read_yaml
from emm.config.project import Project
from emm.data.prepare.settings import read_preprocess, read_tasks
from emm.outside.pool import read_pool
from emm_dvc.round_trip import edit_yaml, laid_out


def fix_outside(project: Project) -> list[str]:
    """Write `outside` of params.yaml, and preprocess.raw of every active dataset.

    Comments and layout stay. Returns a line per file: "params.yaml: outside: [risk]".
    """
    pools = {name: read_pool(project.recipe(name)) for name in project.active.datasets}
    names = list(dict.fromkeys(name for pool in pools.values() for name in pool))
    changes = []
    if names != [*project.active.outside] or _lacks(project.file, "outside"):
        edit_yaml(project.file, partial(_set, keys=("outside",), names=names))
        changes.append(f"{project.file.name}: outside: [{', '.join(names)}]")
    for dataset, pool in pools.items():
        if pool:
            changes += _fix_raw(project, dataset, pool)
    return changes


def _fix_raw(project: Project, dataset: str, pool: Any) -> list[str]:
    from emm.outside.wanted import wanted_columns  # imports torch

    data = project.data(dataset)
    kept = read_preprocess(data, read_tasks(data)).raw
    wanted = wanted_columns(
        pool, project.paths(dataset).processed, str(project.recipe(dataset).path)
    )
    new = [each for columns in wanted.values() for each in columns if each not in kept]
    new = list(dict.fromkeys(new))
    if not new:
        return []
    edit_yaml(data.path, partial(_set, keys=("preprocess", "raw"), names=[*kept, *new]))
    return [f"{data.path.relative_to(project.root)}: preprocess.raw + {', '.join(new)}"]


def _lacks(file: Path, key: str) -> bool:
    """Whether a file without a base lacks a key, which dvc.yaml needs."""
    tree = read_yaml(file)
    return key not in tree and "base" not in tree


def _set(tree: Any, keys: Sequence[str], names: Sequence[str]) -> None:
    *sections, last = keys
    for section in sections:
        if tree.get(section) is None:
            tree[section] = laid_out({}, block=True)
        tree = tree[section]
    tree[last] = laid_out(names)
