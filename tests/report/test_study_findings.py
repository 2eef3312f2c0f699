"""Findings and tables of a study, from given numbers."""

import pytest

from emm.report.markdown import render
from emm.report.study_findings import findings
from emm.report.study_results import Difference, StudyResults, StudyTable
from emm.report.study_settings import StudyTableSettings
from emm.report.study_tables import SIGNIFICANCE, cost_table, mean_table, p_text, scores_table
from emm.report.summary import Summary, Totals
from emm.report.task_summaries import RegressionSummary, TaskSummary

NONE_HIGHER = "no model has a higher mean AUC than EMM."


def result(auc: float, p: float | None, *, operations: int = 200) -> StudyResults:
    task = TaskSummary(auc=auc, auc_std=None, auc_gain=None, logloss=0.1, ece=0.01)
    summary = Summary({"income": task}, Totals(auc, 1234, operations, 3, 2))
    differences = {} if p is None else {"income": Difference(auc - 0.95, p)}
    return StudyResults(summary, {"income": 0.955}, 4.5, differences)


def table(rows: dict[str, tuple[float, float]], **options: object) -> StudyTable:
    """A table of models with (AUC, p) and an EMM with AUC 0.95."""
    names = (*rows, "emm")
    params = StudyTableSettings("One", "movies", "tuned", names, "emm")
    params = StudyTableSettings(**{**vars(params), **options})  # type: ignore[arg-type]
    results = {name: result(auc, p) for name, (auc, p) in rows.items()}
    return StudyTable(params, ("income",), results | {"emm": result(0.95, None)})


def sentences(table: StudyTable) -> list[str]:
    text = render("findings.md.j2", findings=findings(table), significance=SIGNIFICANCE)
    return [line.removeprefix("- ") for line in text.splitlines()]


@pytest.mark.parametrize(
    ("rows", "first", "second"),
    [
        (
            {"ple": (0.94, 0.01), "gbdt": (0.93, 0.049)},
            "EMM is above every other model, each with p < 0.05.",
            NONE_HIGHER,
        ),
        (
            {"ple": (0.94, 0.01), "gbdt": (0.96, 0.02), "mmoe": (0.951, 0.3)},
            "EMM is above PLE with p < 0.05; below GBDT with p < 0.05; "
            "not significantly different from MMoE (p = 0.3).",
            "GBDT (+0.01000) and MMoE (+0.00100) have a higher mean AUC than EMM.",
        ),
        (
            {"paper_pool": (0.95, 1.0)},
            'EMM is not significantly different from "EMM (paper), no MTM" (p = 1).',
            NONE_HIGHER,
        ),
        ({}, "EMM is the only model.", NONE_HIGHER),
        (
            {"ple": (0.951, 0.04)},
            "EMM is below PLE with p < 0.05.",
            "PLE (+0.00100) has a higher mean AUC than EMM.",
        ),
        (
            {"ple": (0.94, 0.05)},
            "EMM is not significantly different from PLE (p = 0.05).",
            NONE_HIGHER,
        ),
    ],
)
def test_the_reference_is_compared_with_every_model(
    rows: dict[str, tuple[float, float]], first: str, second: str
) -> None:
    assert sentences(table(rows)) == [f"income: {first}", f"income: {second}"]


@pytest.mark.parametrize(
    ("goal", "sentence"),
    [
        (0.9562, "income: EMM has 0.95000, which is 0.00620 below the goal of 0.9562."),
        (0.95, "income: EMM reaches the goal of 0.95 with 0.95000."),
    ],
)
def test_a_goal_is_reached_or_missed(goal: float, sentence: str) -> None:
    assert sentences(table({}, goals={"income": goal}))[-1] == sentence


@pytest.mark.parametrize(
    ("auc", "sentence"),
    [
        (0.94051, "income: no model is below its published value."),
        (0.94041, "income: below the published value: MMoE (-0.00010)."),
    ],
)
def test_models_below_their_published_values_are_named(auc: float, sentence: str) -> None:
    assert sentences(table({"mmoe": (auc, 0.5)}, dataset="census-income"))[-1] == sentence


def test_a_model_may_be_compared_with_the_published_value_of_another() -> None:
    found = table({}, dataset="census-income", published={"emm": "emm_paper"})
    assert found.published("emm", "income") == 0.94108


def test_scores_table() -> None:
    rows = table({"mmoe": (0.949, 0.0123)}, dataset="census-income")
    assert scores_table(rows, "income").splitlines() == [
        "| model |       test AUC | validation AUC | less EMM |      p |   paper | log loss |"
        "     ECE |",
        "| :---- | -------------: | -------------: | -------: | -----: | ------: | -------: |"
        " ------: |",
        "| MMoE  | <u>0.94900</u> |        0.95500 | -0.00100 | 0.012* | 0.94051 |  0.10000 |"
        " 0.01000 |",
        "| EMM   |    **0.95000** |        0.95500 |        - |      - |       - |  0.10000 |"
        " 0.01000 |",
    ]


def of_two_tasks(mean: float, age: TaskSummary | RegressionSummary) -> StudyResults:
    one = result(mean, None)
    summary = Summary({**one.summary.tasks, "age": age}, one.summary.totals)
    return StudyResults(summary, {"income": 0.9, "age": 0.8}, 4.5, {})


def test_mean_table() -> None:
    age = result(0.7, None).summary.tasks["income"]
    results = {"mmoe": of_two_tasks(0.8, age), "emm": of_two_tasks(0.775, age)}
    assert mean_table(StudyTable(table({}).settings, ("income", "age"), results)).splitlines() == [
        "| model |       test AUC | validation AUC | less EMM |",
        "| :---- | -------------: | -------------: | -------: |",
        "| MMoE  |    **0.80000** |        0.85000 | +0.02500 |",
        "| EMM   | <u>0.77500</u> |        0.85000 |        - |",
    ]


def test_there_is_no_mean_of_one_task_or_of_several_measures() -> None:
    assert mean_table(table({"mmoe": (0.9, 0.5)})) == ""
    age = RegressionSummary(r2=0.5, r2_std=None, r2_gain=None, rmse=1.0, mae=1.0)
    results = {"emm": of_two_tasks(0.8, age)}
    assert mean_table(StudyTable(table({}).settings, ("income", "age"), results)) == ""


def test_cost_table() -> None:
    results = {"gbdt": result(0.9, 0.5, operations=0), "emm": result(0.95, None)}
    found = cost_table(StudyTable(table({}).settings, ("income",), results)).splitlines()
    assert found[2:] == [
        "| GBDT  |     3 |      1,234 |                  - |    4.5 |             - |",
        "| EMM   |     3 |      1,234 |                200 |    4.5 |           900 |",
    ]


@pytest.mark.parametrize(
    ("p", "text"),
    [(1.0, "1"), (0.05, "0.05"), (0.0499, "0.05*"), (1.234e-9, "1.2e-09*"), (0.0, "<1e-300*")],
)
def test_p_values_are_formatted_and_marked(p: float, text: str) -> None:
    assert p_text(p) == text
