"""Findings and tables of a study, from given numbers."""

import math
from dataclasses import dataclass, replace

import pytest

from emm.metrics.procedures import Estimate
from emm.report.markdown import render
from emm.report.study_differences import SIGNIFICANCE, Difference, Family
from emm.report.study_findings import findings
from emm.report.study_results import StudyResults, StudyTable
from emm.report.study_settings import StudyTableSettings
from emm.report.study_tables import cost_table, mean_table, p_text, scores_table, table_section
from emm.report.summary import Summary, Totals
from emm.report.task_summaries import RegressionSummary, TaskSummary

PRIMARY = "income, primary, for the procedure, over seeds: "
OVER_SEEDS = "income, descriptive, for the procedure, over seeds: "
ONE_SEED = "income, descriptive, for these trained models, as one of the two has a single seed: "
TRAINED = "income, for these trained models: "
INTERVAL = "the 95 % interval of the difference from EMM is "
NONE_HIGHER = TRAINED + "no model has a higher mean AUC than EMM."


@dataclass(frozen=True)
class Row:
    """A model with an AUC, the standard error of its difference, and its p value in the family."""

    auc: float
    error: float = 0.001
    primary: float | None = None
    seeds: int = 5


def result(row: Row, *, reference: bool = False, operations: int = 200) -> StudyResults:
    task = TaskSummary(auc=row.auc, auc_std=None, auc_gain=None, logloss=0.1, ece=0.01)
    summary = Summary({"income": task}, Totals(row.auc, 1234, operations, row.seeds, 2))
    seeds_error = 0.0 if row.seeds > 1 else None
    found = Difference(Estimate(row.auc - 0.95, row.error, seeds_error, math.inf), row.primary)
    return StudyResults(summary, {"income": 0.955}, 4.5, {} if reference else {"income": found})


EMM = result(Row(0.95), reference=True)


def table(rows: dict[str, Row], **options: object) -> StudyTable:
    """A table of models and an EMM with AUC 0.95."""
    names = (*rows, "emm")
    params = StudyTableSettings("One", "movies", "tuned", names, "emm")
    params = StudyTableSettings(**{**vars(params), **options})  # type: ignore[arg-type]
    against = tuple(name for name, row in rows.items() if row.primary is not None)
    family = Family(against, len(against), 5) if against else None
    results = {name: result(row) for name, row in rows.items()}
    return StudyTable(params, ("income",), results | {"emm": EMM}, family=family)


def sentences(table: StudyTable) -> list[str]:
    text = render("findings.md.j2", findings=findings(table), significance=SIGNIFICANCE)
    return [line.removeprefix("- ") for line in text.splitlines() if line]


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (
            {"ple": Row(0.94, primary=0.01), "gbdt": Row(0.93, primary=0.049)},
            "EMM is above PLE and GBDT with p < 0.05.",
        ),
        (
            {
                "ple": Row(0.94, primary=0.01),
                "gbdt": Row(0.96, primary=0.02),
                "mmoe": Row(0.951, primary=0.3),
            },
            "EMM is above PLE with p < 0.05; below GBDT with p < 0.05; "
            "not significantly different from MMoE (p = 0.3).",
        ),
        (
            {"paper_pool": Row(0.95, primary=1.0)},
            'EMM is not significantly different from "EMM (paper), no MTM" (p = 1).',
        ),
        (
            {"ple": Row(0.94, primary=0.05)},
            "EMM is not significantly different from PLE (p = 0.05).",
        ),
    ],
)
def test_the_primary_family_is_decided_for_the_procedure(
    rows: dict[str, Row], sentence: str
) -> None:
    found = sentences(table(rows))
    assert found[0] == PRIMARY + sentence
    assert not any("descriptive" in each for each in found)


@pytest.mark.parametrize(
    ("rows", "first", "second"),
    [
        (
            {"ple": Row(0.94), "gbdt": Row(0.93)},
            OVER_SEEDS + INTERVAL + "below 0 for PLE and GBDT.",
            NONE_HIGHER,
        ),
        (
            {"ple": Row(0.94), "gbdt": Row(0.96), "mmoe": Row(0.951)},
            OVER_SEEDS + INTERVAL + "below 0 for PLE; above 0 for GBDT; "
            "on both sides of 0 for MMoE.",
            TRAINED + "GBDT (+0.01000) and MMoE (+0.00100) have a higher mean AUC than EMM.",
        ),
        (
            {"ple": Row(0.951)},
            OVER_SEEDS + INTERVAL + "on both sides of 0 for PLE.",
            TRAINED + "PLE (+0.00100) has a higher mean AUC than EMM.",
        ),
        (
            {"ple": Row(0.94, seeds=1)},
            ONE_SEED + INTERVAL + "below 0 for PLE.",
            NONE_HIGHER,
        ),
    ],
)
def test_all_other_models_are_described(rows: dict[str, Row], first: str, second: str) -> None:
    assert sentences(table(rows)) == [first, second]


def test_models_of_one_and_of_several_seeds_are_described_apart() -> None:
    found = sentences(table({"ple": Row(0.94), "mmoe": Row(0.94, seeds=1)}))
    assert found[0] == OVER_SEEDS + INTERVAL + "below 0 for PLE."
    assert found[1] == ONE_SEED + INTERVAL + "below 0 for MMoE."


def test_a_table_of_one_model_compares_nothing() -> None:
    assert sentences(table({})) == ["income: EMM is the only model."]


def test_every_sentence_says_what_it_is_about() -> None:
    rows = {
        "ple": Row(0.94, primary=0.01),
        "gbdt": Row(0.96),
        "mmoe": Row(0.9, seeds=1),
    }
    found = table(rows, goals={"income": 0.96}, dataset="census-income")
    for sentence in sentences(found):
        assert "for the procedure, over seeds" in sentence or "for these trained models" in sentence


@pytest.mark.parametrize(
    ("goal", "sentence"),
    [
        (0.9562, TRAINED + "EMM has 0.95000, which is 0.00620 below the goal of 0.9562."),
        (0.95, TRAINED + "EMM reaches the goal of 0.95 with 0.95000."),
    ],
)
def test_a_goal_is_reached_or_missed(goal: float, sentence: str) -> None:
    assert sentences(table({}, goals={"income": goal}))[-1] == sentence


@pytest.mark.parametrize(
    ("auc", "sentence"),
    [
        (0.94051, TRAINED + "no model is below its published value."),
        (0.94041, TRAINED + "below the published value: MMoE (-0.00010)."),
    ],
)
def test_models_below_their_published_values_are_named(auc: float, sentence: str) -> None:
    assert sentences(table({"mmoe": Row(auc)}, dataset="census-income"))[-1] == sentence


def test_a_model_may_be_compared_with_the_published_value_of_another() -> None:
    found = table({}, dataset="census-income", published={"emm": "emm_paper"})
    assert found.published("emm", "income") == 0.94108


def columns_of(text: str) -> dict[str, list[str]]:
    """The cells of a Markdown table by column."""
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    return {title: list(cells) for title, *cells in zip(lines[0], *lines[2:], strict=True)}


def test_scores_table() -> None:
    rows = table({"mmoe": Row(0.949)}, dataset="census-income")
    assert columns_of(scores_table(rows, "income")) == {
        "model": ["MMoE", "EMM"],
        "test AUC": ["<u>0.94900</u>", "**0.95000**"],
        "validation AUC": ["0.95500", "0.95500"],
        "less EMM": ["-0.00100", "-"],
        "95 % of the difference": ["[-0.00296, +0.00096]", "-"],
        "p": ["0.32", "-"],
        "paper": ["0.94051", "-"],
        "log loss": ["0.10000", "0.10000"],
        "ECE": ["0.01000", "0.01000"],
    }


def test_only_the_primary_family_has_asterisks() -> None:
    rows = {"mmoe": Row(0.94, primary=0.0123), "ple": Row(0.94, primary=0.05), "gbdt": Row(0.9)}
    found = columns_of(scores_table(table(rows), "income"))
    assert found["p, primary"] == ["0.012*", "0.05", "-", "-"]
    assert not any("*" in p for p in found["p"])


def test_a_p_value_of_these_trained_models_is_marked_and_explained() -> None:
    rows = table({"mmoe": Row(0.949, seeds=1), "ple": Row(0.949)})
    assert columns_of(scores_table(rows, "income"))["p"] == ["0.32†", "0.32", "-"]
    assert "- †: for these trained models" in render("study_table.md.j2", table=table_section(rows))


def test_a_section_without_such_p_values_does_not_explain_them() -> None:
    section = render("study_table.md.j2", table=table_section(table({"ple": Row(0.949)})))
    assert "†" not in section
    assert "Differences from it are for the procedure, over seeds, and descriptive." in section


def of_two_tasks(mean: float, age: TaskSummary | RegressionSummary) -> StudyResults:
    one = result(Row(mean), reference=True)
    summary = Summary({**one.summary.tasks, "age": age}, one.summary.totals)
    return StudyResults(summary, {"income": 0.9, "age": 0.8}, 4.5, {})


def test_mean_table() -> None:
    age = EMM.summary.tasks["income"]
    results = {"mmoe": of_two_tasks(0.8, age), "emm": of_two_tasks(0.775, age)}
    assert mean_table(StudyTable(table({}).settings, ("income", "age"), results)).splitlines() == [
        "| model |       test AUC | validation AUC | less EMM |",
        "| :---- | -------------: | -------------: | -------: |",
        "| MMoE  |    **0.80000** |        0.85000 | +0.02500 |",
        "| EMM   | <u>0.77500</u> |        0.85000 |        - |",
    ]


def test_there_is_no_mean_of_one_task_or_of_several_measures() -> None:
    assert mean_table(table({"mmoe": Row(0.9)})) == ""
    age = RegressionSummary(r2=0.5, r2_std=None, r2_gain=None, rmse=1.0, mae=1.0)
    results = {"emm": of_two_tasks(0.8, age)}
    assert mean_table(StudyTable(table({}).settings, ("income", "age"), results)) == ""


def test_cost_table() -> None:
    trees = replace(result(Row(0.9), operations=0), deterministic=True)
    results = {"gbdt": trees, "emm": EMM}
    found = cost_table(StudyTable(table({}).settings, ("income",), results)).splitlines()
    assert found[2:] == [
        "| GBDT  | 5 (equal) |      1,234 |                  - |    4.5 |             - |",
        "| EMM   |         5 |      1,234 |                200 |    4.5 |           900 |",
    ]


def test_equal_seeds_are_explained() -> None:
    results = {"gbdt": replace(result(Row(0.9)), deterministic=True), "emm": EMM}
    found = StudyTable(table({}).settings, ("income",), results)
    section = render("study_table.md.j2", table=table_section(found))
    assert "- (equal): every seed gave the same predictions" in section


@pytest.mark.parametrize(
    ("p", "text"), [(1.0, "1"), (0.05, "0.05"), (1.234e-9, "1.2e-09"), (0.0, "<1e-300")]
)
def test_p_values_have_two_digits(p: float, text: str) -> None:
    assert p_text(p) == text
