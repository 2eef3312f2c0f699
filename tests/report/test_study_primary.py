"""What the study's page says about the primary family, and about what is only described."""

from collections.abc import Callable
from pathlib import Path

import pytest

from emm.report.facts import DatasetFacts
from emm.report.study_settings import PrimaryFamily, StudySettings
from tests.report.study_tables import SETTINGS, Write, folder, noisy, run_study, write_models

FAMILY = PrimaryFamily("one", ("tm-1", "mmoe"))
PageOf = Callable[..., str]


@pytest.fixture
def page_of(tmp_path: Path, write_evaluation: Write, facts: DatasetFacts) -> PageOf:
    def make(seeds: int, primary: PrimaryFamily | None = FAMILY) -> str:
        logits = {
            name: noisy(1.0 + place, seeds, place) for place, name in enumerate(SETTINGS.rows)
        }
        write_models(write_evaluation, folder(tmp_path), logits)
        study = StudySettings({"one": SETTINGS}, primary)
        return run_study(study, {"census-income": facts}, tmp_path, tmp_path)

    return make


def test_five_seeds_decide(page_of: PageOf) -> None:
    text = page_of(5)
    assert "EMM against TM-1 and MMoE on every task, 4 comparisons." in text
    assert "income, primary, for the procedure, over seeds: EMM is above" in text
    assert "| p, primary |" in text
    assert "decides nothing" not in text


@pytest.mark.parametrize(("seeds", "words"), [(4, "4 seeds"), (1, "1 seed")])
def test_fewer_seeds_decide_nothing_and_the_page_says_so(
    page_of: PageOf, seeds: int, words: str
) -> None:
    text = page_of(seeds)
    assert f"It decides nothing with {words}: at least 5 are needed." in text
    assert "p, primary" not in text
    assert ", primary, for" not in text


def test_without_a_family_all_is_descriptive(page_of: PageOf) -> None:
    text = page_of(5, None)
    assert "All comparisons are descriptive" in text
    assert "primary" not in text


def test_every_finding_says_what_it_is_about(page_of: PageOf) -> None:
    section = page_of(5).partition("## Findings")[2].partition("## Data")[0]
    found = [line for line in section.splitlines() if line.startswith("- ")]
    about = ("for the procedure, over seeds", "for these trained models")
    assert found
    assert [line for line in found if not any(words in line for words in about)] == []


def test_every_remark_of_how_to_read_has_a_line_of_its_own(page_of: PageOf) -> None:
    section = page_of(5).partition("## How to read")[2].partition("## How to reproduce")[0]
    lines = [line for line in section.splitlines() if line]
    assert all(line.startswith("- ") for line in lines)
    assert not any(".- " in line for line in lines)
