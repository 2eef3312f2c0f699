"""Copies of the project's configuration, which tests change and read."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
CENSUS = "census-income"

Tree = dict[str, Any]
Change = Callable[[Tree], object]


def copy_conf(folder: Path) -> Path:
    """Copy params.yaml and conf/ to ``folder``; returns the path of the copied params.yaml.

    Its recipe is `paper`, whose settings are all written out.
    """
    shutil.copytree(ROOT / "conf", folder / "conf")
    params = Path(shutil.copy(ROOT / "params.yaml", folder))
    replace(params, "recipe: default ", "recipe: paper ")
    return params


def replace(path: Path, old: str, new: str) -> None:
    """Replace a text that occurs once."""
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def edit(path: Path, change: Change) -> None:
    """Change the mapping in a YAML file; a file that doesn't exist is created."""
    tree = yaml.safe_load(path.read_text()) if path.exists() else {}
    change(tree)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(tree, sort_keys=False))
