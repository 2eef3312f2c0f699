"""The study's page without some of its tables, or all of them."""

from dataclasses import replace
from pathlib import Path

import pytest

from emm.report.facts import DatasetFacts
from emm.report.study_files import results_file
from emm.report.study_settings import PrimaryFamily, StudySettings
from tests.report.study_tables import (
    SETTINGS,
    Write,
    folder,
    noisy,
    run_study,
    write_models,
    write_page,
)

NOT_RUN = "not run with the current code. `make study` runs it."
STUDY = StudySettings(
    {"one": SETTINGS, "two": replace(SETTINGS, title="Two")},
    PrimaryFamily("one", ("tm-1", "mmoe")),
    tasks=("one", "two"),
)
FILES = ("study.md", "study/tasks.svg")


@pytest.fixture
def root(tmp_path: Path, write_evaluation: Write, facts: DatasetFacts) -> Path:
    logits = {name: noisy(1.0 + place, 5, place) for place, name in enumerate(SETTINGS.rows)}
    write_models(write_evaluation, folder(tmp_path), logits)
    run_study(STUDY, {"census-income": facts}, tmp_path, tmp_path)
    return tmp_path


def without(root: Path, *tables: str) -> str:
    for name in tables:
        results_file(root, name).unlink()
    return write_page(STUDY, root)


def test_the_page_needs_no_evaluation(root: Path) -> None:
    before = [(root / name).read_bytes() for name in FILES]
    (root / "data").rename(root / "gone")
    write_page(STUDY, root)
    assert [(root / name).read_bytes() for name in FILES] == before


def test_a_missing_table_is_named_in_its_places(root: Path) -> None:
    text = without(root, "two")
    assert f"\n**Two**: {NOT_RUN}\n" in text
    assert f"\n## Two\n\nDataset `census-income`, recipe `tuned`: {NOT_RUN}\n" in text
    assert f'\n- "Two": {NOT_RUN}\n' in text
    assert text.index("## One") < text.index("## Two") < text.index("## Number of tasks")


def test_the_other_tables_stay_as_they_are(root: Path) -> None:
    def one(text: str) -> str:
        return text.partition("## One")[2].partition("## Two")[0]

    whole = one((root / "study.md").read_text())
    assert one(without(root, "two")) == whole


def test_without_its_table_the_primary_family_decides_nothing(root: Path) -> None:
    text = without(root, "one")
    family = 'in the table "One", EMM against TM-1 and MMoE on every task.'
    assert f"{family} Nothing is decided: this table was {NOT_RUN}" in text
    assert "p, primary" not in text
    assert "primary, for the procedure" not in text


def test_with_its_table_the_primary_family_decides(root: Path) -> None:
    text = without(root, "two")
    assert "income, primary, for the procedure, over seeds: EMM" in text
    assert "Nothing is decided" not in text


def test_a_page_without_any_table_has_no_numbers(root: Path) -> None:
    text = without(root, "one", "two")
    assert text.count(NOT_RUN) == 7
    assert "| " not in text
    assert "Every model was trained with" not in text
    assert "None" not in text


def test_without_a_figure_git_can_keep_the_folder_of_the_figures(root: Path) -> None:
    without(root, "one", "two")
    assert [file.name for file in (root / "study").iterdir()] == [".gitkeep"]
