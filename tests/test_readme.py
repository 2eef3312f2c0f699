"""What the README shows is what the committed metrics say."""

import re
from pathlib import Path

import pytest

from emm.config import load_params
from emm.report.library import library_table
from emm.report.readme import readme_block, replace_block, results_table

ROOT = Path(__file__).parents[1]


@pytest.fixture
def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_table_is_that_of_the_committed_metrics(readme: str) -> None:
    params = load_params(ROOT / "params.yaml")
    tables = [
        results_table(ROOT / "metrics", name, params.recipe, params.table, params.trained)
        for name in params.datasets
    ]
    tables.append(library_table(ROOT / "metrics", params.recipe))
    assert replace_block(readme, readme_block(tables)) == readme


def test_every_file_it_links_to_is_there(readme: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", readme)
    assert [link for link in links if not (ROOT / link).exists()] == []
    assert links
