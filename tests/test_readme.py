"""The committed README shows the committed metrics, whatever a later run left in the tree."""

from pathlib import Path

import pytest

from emm.config.project import load_project
from emm.report.library import library_table
from emm.report.readme import readme_block, replace_block, results_table
from tests.committed import copy_committed


@pytest.fixture
def commit(tmp_path: Path) -> Path:
    return copy_committed(tmp_path, "README.md", "metrics", "params.yaml")


def test_the_table_shows_the_committed_metrics(commit: Path) -> None:
    active = load_project(commit / "params.yaml").active
    tables = [
        results_table(commit / "metrics", name, active.recipe, active.table, active.trained)
        for name in active.datasets
    ]
    tables.append(library_table(commit / "metrics", active.recipe))
    readme = (commit / "README.md").read_text(encoding="utf-8")
    assert replace_block(readme, readme_block(tables)) == readme
