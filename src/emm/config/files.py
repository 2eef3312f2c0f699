"""YAML files: one over the file that it varies, and sections over the neighbours that they vary."""

import re
from pathlib import Path
from typing import Any

import yaml

from emm.core.errors import ParamsError, choose


def read_layers(path: Path) -> dict[str, Any]:
    """Read the mapping in ``path``, over that of the file which its key ``base`` names.

    A section whose key ``like`` names its neighbour needs only what differs from that one.
    Raises ParamsError for a file that doesn't exist or isn't a YAML mapping, and for a neighbour
    that doesn't exist.
    """
    tree: dict[str, Any] = _resolved(_read_over_base(path), path)
    return tree


def merged(base: Any, change: Any) -> Any:
    """``change`` over ``base``: mappings key by key, anything else replaced.

    A mapping with ``base: null`` replaces the other one as a whole, too.
    """
    if isinstance(change, dict) and "base" in change and change["base"] is None:
        return {key: value for key, value in change.items() if key != "base"}
    if not isinstance(base, dict) or not isinstance(change, dict):
        return change
    return base | {key: merged(base.get(key), value) for key, value in change.items()}


def _read_over_base(path: Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    if path.resolve() in seen:
        raise ParamsError(f"{path} is its own base", where=path)
    tree = read_yaml(path)
    if "base" in tree:
        base = path.parent / str(tree.pop("base"))
        tree = merged(_read_over_base(base, (*seen, path.resolve())), tree)
    return tree


def _resolved(tree: Any, path: Path) -> Any:
    """All sections of ``tree`` over the neighbours that they are like."""
    if not isinstance(tree, dict):
        return tree
    return {key: _resolved(_over_neighbour(tree, key, path), path) for key in tree}


def _over_neighbour(tree: dict[str, Any], key: str, path: Path, seen: tuple[str, ...] = ()) -> Any:
    value = tree[key]
    if not isinstance(value, dict) or "like" not in value:
        return value
    like, changes = str(value["like"]), {k: v for k, v in value.items() if k != "like"}
    if like in (key, *seen):
        raise ParamsError(f"{key} is like itself", where=path)
    choose("neighbour", like, tree, f"{path}: {key}.like", "correct the name")
    return merged(_over_neighbour(tree, like, path, (*seen, key)), changes)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in one file; ParamsError for a file that doesn't exist or holds none."""
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except FileNotFoundError as error:
        raise ParamsError(
            f"{path} doesn't exist", where=Path.cwd(), next_step="run this in the project's root"
        ) from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ParamsError(f"{path} isn't YAML: {error}", where=path) from error
    if tree is not None and not isinstance(tree, dict):
        raise ParamsError(f"{path} holds no keys", where=path, got=type(tree).__name__)
    return tree or {}


class _Loader(yaml.SafeLoader):
    """yaml.SafeLoader that reads 1e-3 as a number, as YAML 1.2 and DVC do."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)
