"""The page of a dataset, and how templates are rendered."""

from collections.abc import Sequence

import pytest
from jinja2 import UndefinedError

from emm.metrics.procedures import Interval
from emm.report.evidence import Evidence
from emm.report.facts import DatasetFacts
from emm.report.markdown import render
from emm.report.page import page
from emm.report.remarks import Remarks
from emm.report.summary import Summary, Totals
from emm.report.task_summaries import TaskSummary

TASK = TaskSummary(auc=0.95, auc_std=None, auc_gain=None, logloss=0.1, ece=0.01)
TASKS = {"income": TASK, "never-married": TASK}


EVIDENCE = Evidence(tasks=Remarks({"automtl": {"income": Interval(0.9, 0.96)}}))


def text_of(
    facts: DatasetFacts, searched: Sequence[str] = (), *, seeds: int = 1, folder: str = "figures"
) -> str:
    summaries = {"automtl": Summary(TASKS, Totals(0.95, 10, 20, seeds, 3))}
    return page(facts, "paper", summaries, (), folder, searched, EVIDENCE)


def test_a_page_without_searched_models_has_no_section_on_architectures(
    facts: DatasetFacts,
) -> None:
    assert "rchitecture" not in text_of(facts)


def test_a_page_shows_the_figure_of_each_architecture(facts: DatasetFacts) -> None:
    text = text_of(facts, ["automtl"], folder="census income")
    figure = "![Architecture of AutoMTL](census%20income/architecture-automtl.svg)"
    assert f"\n\n**AutoMTL**\n\n{figure}\n\n" in text


@pytest.mark.parametrize(("seeds", "mentioned"), [(1, False), (3, True)])
def test_the_page_says_which_of_several_seeds_is_drawn(
    facts: DatasetFacts, seeds: int, mentioned: bool
) -> None:
    text = text_of(facts, seeds=seeds)
    assert ("faint ones" in text) == mentioned
    assert text.count("Each model's first seed is drawn.") == (2 if mentioned else 0)


@pytest.mark.parametrize(
    ("seeds", "about"),
    [
        (1, "- 95 %: for these trained models: what other test rows could have given."),
        (3, "- 95 %: for the procedure, over seeds: what other test rows and other seeds could"),
    ],
)
def test_the_page_says_what_intervals_are_about(
    facts: DatasetFacts, seeds: int, about: str
) -> None:
    text = text_of(facts, seeds=seeds)
    assert text.count("- 95 %:") == 1
    assert about in text


def test_scores_of_one_seed_are_said_to_be_of_these_trained_models(facts: DatasetFacts) -> None:
    text = text_of(facts)
    assert "AUC on the test split, one seed, for these trained models." in text
    assert "- Scores of one seed are those of these trained models" in text
    assert "these trained models" not in text_of(facts, seeds=3)


def test_text_from_a_dataset_is_not_escaped_or_rendered(facts: DatasetFacts) -> None:
    facts = DatasetFacts(**{**vars(facts), "title": "A & <b> {{ 1 + 1 }}"})
    assert text_of(facts).startswith("# A & <b> {{ 1 + 1 }}\n\nRecipe")


def test_sections_are_separated_by_one_blank_line(facts: DatasetFacts) -> None:
    text = text_of(DatasetFacts(**{**vars(facts), "source": "", "licence": ""}))
    assert "\n\n\n" not in text
    assert text.endswith(".\n")


def test_a_missing_variable_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="facts"):
        render("dataset.md.j2", several_seeds=False)
