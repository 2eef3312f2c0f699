"""The lists of params.yaml that the stages of dvc.yaml are made of: DVC needs even an empty one."""

from collections.abc import Iterator, Mapping
from typing import Any

from emm.config.files import read_yaml
from emm.config.project import Project
from emm_dvc.round_trip import edit_yaml, laid_out


def missing_lists(stages: Mapping[str, Mapping[str, Any]], project: Project) -> list[str]:
    """Lists that the graph names and params.yaml lacks, as messages."""
    return [
        f"{project.file.name} lacks the list {key}, of which stages are made"
        for key in _absent(stages, project)
    ]


def fix_lists(stages: Mapping[str, Mapping[str, Any]], project: Project) -> list[str]:
    """Write them, empty; comments and layout stay. Returns a line for each: "exported: []"."""
    absent = list(_absent(stages, project))

    def add(tree: Any) -> None:
        for key in absent:
            tree[key] = laid_out([])

    if absent:
        edit_yaml(project.file, add)
    return [f"{project.file.name}: {key}: []" for key in absent]


def _absent(stages: Mapping[str, Mapping[str, Any]], project: Project) -> Iterator[str]:
    tree = read_yaml(project.file)
    if "base" in tree:  # another file, with a graph of its own
        return
    named = [
        value.strip("${}")
        for stage in stages.values()
        for value in (stage.get("foreach"), *stage.get("matrix", {}).values())
        if isinstance(value, str)
    ]
    yield from (key for key in dict.fromkeys(named) if key not in tree)
