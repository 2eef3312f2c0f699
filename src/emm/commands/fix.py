"""Completing the configuration: what `emm check --fix` and `emm pool add` write."""

from collections.abc import Iterator
from pathlib import Path

from emm.config.project import Project, load_project
from emm_dvc.fix_keys import fix_keys
from emm_dvc.fix_outside import fix_outside
from emm_dvc.graph import read_stages
from emm_dvc.lists import fix_lists
from emm_dvc.rows import fix_rows

DVC_YAML = Path("dvc.yaml")


def fix_files(project: Project) -> Iterator[str]:
    """Complete params.yaml, conf/ and dvc.yaml; yields a line per change."""
    stages = read_stages(DVC_YAML)
    yield from fix_lists(stages, project)
    yield from fix_keys(stages, project)  # writes absent recipes, too
    yield from fix_outside(load_project(project.file))
    for line in fix_rows(DVC_YAML, project.file):
        yield f"dvc.yaml: {line}"
