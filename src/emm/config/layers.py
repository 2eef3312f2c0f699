"""A YAML file over the file that it varies, and mappings over the neighbours that they vary."""

from pathlib import Path
from typing import Any

import yaml

from emm.config.binding import choose
from emm.core.errors import ParamsError


def read_layers(path: Path) -> dict[str, Any]:
    """The mapping in ``path``, over that of the file which its key ``base`` names.

    A mapping whose key ``like`` names its neighbour needs only what differs from that one.
    Raises ParamsError for a file that isn't there or isn't a YAML mapping, and for a neighbour
    that isn't there.
    """
    tree: dict[str, Any] = _resolved(_read_over_base(path), path)
    return tree


def _read_over_base(path: Path) -> dict[str, Any]:
    tree = _read_yaml(path)
    if "base" in tree:
        tree = merged(_read_over_base(path.parent / str(tree.pop("base"))), tree)
    return tree


def _resolved(tree: Any, path: Path) -> Any:
    """All mappings in ``tree`` over the neighbours that they are like."""
    if not isinstance(tree, dict):
        return tree
    return {key: _resolved(_over_neighbour(tree, key, path), path) for key in tree}


def _over_neighbour(tree: dict[str, Any], key: str, path: Path, seen: tuple[str, ...] = ()) -> Any:
    value = tree[key]
    if not isinstance(value, dict) or "like" not in value:
        return value
    like, own = value["like"], {k: v for k, v in value.items() if k != "like"}
    if like in (key, *seen):
        raise ParamsError(f"{key} is like itself", where=path)
    choose("neighbour", like, tree, f"{path}: {key}.like", "correct the name")
    return merged(_over_neighbour(tree, like, path, (*seen, key)), own)


def merged(base: Any, change: Any) -> Any:
    """``change`` over ``base``: mappings key by key, anything else replaced."""
    if not isinstance(base, dict) or not isinstance(change, dict):
        return change
    return base | {key: merged(base.get(key), value) for key, value in change.items()}


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ParamsError(
            f"{path} isn't there", where=Path.cwd(), next_step="run this in the project's root"
        ) from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ParamsError(f"{path} isn't YAML: {error}", where=path) from error
    if not isinstance(tree, dict):
        raise ParamsError(f"{path} holds no keys", where=path, got=type(tree).__name__)
    return tree
