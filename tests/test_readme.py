"""The committed README shows the committed metrics, whatever a later run left in the tree."""

from pathlib import Path

import pytest

from emm.config import load_params
from emm.report.library import library_table
from emm.report.readme import readme_block, replace_block, results_table
from tests.committed import copy_committed


@pytest.fixture
def commit(tmp_path: Path) -> Path:
    return copy_committed(tmp_path, "README.md", "metrics", "params.yaml")


def test_the_table_shows_the_committed_metrics(commit: Path) -> None:
    params = load_params(commit / "params.yaml")
    tables = [
        results_table(commit / "metrics", name, params.recipe, params.table, params.trained)
        for name in params.datasets
    ]
    tables.append(library_table(commit / "metrics", params.recipe))
    readme = (commit / "README.md").read_text(encoding="utf-8")
    assert replace_block(readme, readme_block(tables)) == readme
