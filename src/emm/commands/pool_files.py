"""Writing an outside model into the configuration; comments and layout of the files stay."""

from collections.abc import Mapping, Sequence
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

from emm.config.project import Project
from emm_dvc.round_trip import edit_yaml, laid_out, round_trip


def write_entry(
    project: Project, dataset: str, name: str, entry: Mapping[str, Any], columns: Sequence[str]
) -> list[str]:
    """Add an entry to fusion.pool, its columns to preprocess.raw and its name to `outside`.

    `outside` names models of active datasets only. Returns: a line per file that changed, such as
    "params.yaml: outside + risk".
    """
    data, recipe, params = project.data(dataset), project.recipe(dataset).path, project.file
    changes = []

    def edit(path: Path, what: str, change: Any) -> None:
        edit_yaml(path, change)
        changes.append(f"{path.relative_to(project.root)}: {what}")

    preprocess = data.tree.get("preprocess")
    kept = list(map(str, (preprocess or {}).get("raw") or ()))
    if new := [column for column in columns if column not in kept]:
        edit(
            data.path, f"preprocess.raw + {', '.join(new)}", partial(_put_raw, names=[*kept, *new])
        )
    edit(recipe, f"fusion.pool + {name}", partial(_put_entry, name=name, entry=entry))
    outside = project.active.outside
    if name not in outside and dataset in project.active.datasets:
        edit(params, f"outside + {name}", partial(_put_list, key="outside", names=[*outside, name]))
    return changes


def entry_text(name: str, entry: Mapping[str, Any]) -> str:
    """The entry as the lines of a recipe."""
    out = StringIO()
    round_trip().dump({"fusion": {"pool": {name: _blocks(entry)}}}, out)
    return out.getvalue()


def _put_entry(tree: Any, name: str, entry: Mapping[str, Any]) -> None:
    fusion = _section(tree, "fusion")
    if not fusion.get("pool"):  # none yet: [], null, or the key is absent
        fusion["pool"] = _blocks({})
    fusion["pool"][name] = _blocks(entry)
    fusion["pool"].fa.set_block_style()


def _put_raw(tree: Any, names: Sequence[str]) -> None:
    _put_list(_section(tree, "preprocess"), "raw", names)


def _put_list(tree: Any, key: str, names: Sequence[str]) -> None:
    """Append what is new, so that comments between the names stay."""
    there = tree.get(key)
    if isinstance(there, list) and there and [*there] == [*names[: len(there)]]:
        there.extend(names[len(there) :])
    else:
        tree[key] = laid_out(names)


def _section(tree: Any, key: str) -> Any:
    if tree.get(key) is None:
        tree[key] = _blocks({})
    return tree[key]


def _blocks(entry: Mapping[str, Any]) -> Any:
    """A mapping with one line per key, and so are the mappings in it."""
    from ruamel.yaml.comments import CommentedMap

    return CommentedMap(
        {key: _blocks(each) if isinstance(each, Mapping) else each for key, each in entry.items()}
    )
