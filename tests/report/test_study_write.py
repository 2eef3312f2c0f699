"""A complete study on generated evaluations with two, three and four tasks."""

import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from emm.core.errors import DataError
from emm.report.facts import DatasetFacts
from emm.report.study_settings import StudySettings, StudyTableSettings
from tests.report.study_tables import run_study

TASKS = ("income", "never-married", "college", "full-time")
ROWS = ("tm-1", "mmoe", "emm")
DATASETS = {"census-income": 2, "census-income-3": 3, "census-income-4": 4}
STUDY = StudySettings(
    {
        f"tasks-{count}": StudyTableSettings(f"{count} tasks", name, "paper", ROWS, "emm")
        for name, count in DATASETS.items()
    },
    tasks=("tasks-2", "tasks-3", "tasks-4"),
)


@pytest.fixture(scope="module")
def all_facts(facts: DatasetFacts) -> dict[str, DatasetFacts]:
    rates = {split: dict.fromkeys(TASKS, 0.25) for split in facts.rows}
    return {
        name: replace(facts, name=name, tasks=TASKS[:count], positive_rates=rates)
        for name, count in DATASETS.items()
    }


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, write_evaluation: Callable[..., Path]) -> Path:
    root = tmp_path_factory.mktemp("study")
    for name, count in DATASETS.items():
        for place, row in enumerate(ROWS):
            aucs = {task: [0.9 + place / 100, 0.91] for task in TASKS[:count]}
            write_evaluation(root / f"data/evaluation/{name}/paper", row, aucs)
    return root


def contents(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def written(
    tmp_path_factory: pytest.TempPathFactory, root: Path, all_facts: dict[str, DatasetFacts]
) -> Path:
    out = tmp_path_factory.mktemp("written")
    run_study(STUDY, all_facts, root, out)
    return out


def test_all_files_are_written(written: Path) -> None:
    metrics = [f"metrics/tasks-{count}/{row}.json" for count in (2, 3, 4) for row in ROWS]
    results = [f"results/tasks-{count}.json" for count in (2, 3, 4)]
    expected = [*metrics, *results, "study.md", "study/tasks.svg"]
    assert sorted(contents(written)) == sorted(expected)


def test_a_second_run_gives_the_same_bytes(
    written: Path, tmp_path: Path, root: Path, all_facts: dict[str, DatasetFacts]
) -> None:
    run_study(STUDY, all_facts, root, tmp_path)
    assert contents(tmp_path) == contents(written)


def test_the_figure_is_valid_svg(written: Path) -> None:
    tree = ET.parse(written / "study/tasks.svg").getroot()
    assert any(node.tag.endswith("path") for node in tree.iter())


def test_the_page_has_its_sections_in_order(written: Path) -> None:
    lines = (written / "study.md").read_text().splitlines()
    assert [line for line in lines if line.startswith("#")] == [
        "# The study",
        "## Findings",
        "## Data, recipes, seeds",
        "## 2 tasks",
        "## 3 tasks",
        "## 4 tasks",
        "## Number of tasks",
        "## How to read",
        "## How to reproduce",
    ]


def test_notes_are_printed(tmp_path: Path, root: Path, all_facts: dict[str, DatasetFacts]) -> None:
    text = run_study(replace(STUDY, notes=("One thing.", "Another.")), all_facts, root, tmp_path)
    assert "## What was tried\n\n- One thing.\n- Another.\n" in text


def test_nothing_is_written_if_an_evaluation_is_missing(
    tmp_path: Path, root: Path, all_facts: dict[str, DatasetFacts]
) -> None:
    table = replace(STUDY.tables["tasks-2"], rows=(*ROWS, "ple"))
    with pytest.raises(DataError, match="ple has not been evaluated"):
        run_study(StudySettings({"one": table}), all_facts, root, tmp_path)
    assert contents(tmp_path) == {}
