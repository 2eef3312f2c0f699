"""The lists of params.yaml that stages are made of, and how `emm check --fix` writes them."""

from pathlib import Path

import pytest

from emm.config.project import load_project
from emm_dvc.graph import read_stages
from emm_dvc.lists import fix_lists, missing_lists
from tests.configuration import ROOT, copy_conf

STAGES = read_stages(ROOT / "dvc.yaml")


@pytest.fixture
def params(tmp_path: Path) -> Path:
    return copy_conf(tmp_path)


def test_the_committed_params_yaml_has_them_all(params: Path) -> None:
    before = params.read_bytes()
    assert missing_lists(STAGES, load_project(params)) == []
    assert fix_lists(STAGES, load_project(params)) == []
    assert params.read_bytes() == before


def test_absent_ones_are_named_and_written_empty(params: Path) -> None:
    lines = params.read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(("exported:", "searched:"))]
    params.write_text("".join(kept))
    project = load_project(params)
    assert missing_lists(STAGES, project) == [
        "params.yaml lacks the list searched, of which stages are made",
        "params.yaml lacks the list exported, of which stages are made",
    ]
    assert fix_lists(STAGES, project) == ["params.yaml: searched: []", "params.yaml: exported: []"]
    after = params.read_text()
    assert after.startswith("".join(kept).rstrip())
    assert load_project(params).active.exported == ()
    assert missing_lists(STAGES, load_project(params)) == []


def test_a_variant_of_another_file_has_a_graph_of_its_own(params: Path) -> None:
    other = params.with_name("other.yaml")
    other.write_text("base: params.yaml\nrecipe: tuned\n")
    assert missing_lists(STAGES, load_project(other)) == []
