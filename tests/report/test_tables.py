"""Tables of results: layout, marks, number formats."""

import pytest

from emm.report.markdown import markdown_table
from emm.report.summary import Summary, Totals
from emm.report.tables import (
    marked,
    quality_table,
    score_table,
    seeds_phrase,
    signed,
)
from emm.report.task_summaries import TaskSummary


def summary(
    auc: float, gain: float, std: float | None = None, seeds: int = 1, operations: int = 6789
) -> Summary:
    task = TaskSummary(auc=auc, auc_std=std, auc_gain=gain, logloss=0.123456, ece=0.00321)
    return Summary({"income": task}, Totals(auc, 12345, operations, seeds, 7.25))


SUMMARIES = {
    "tm-1": summary(0.94, -0.01),
    "tm-2": summary(0.96, 0.01),
    "gbdt": summary(0.97, 0.02),
    "emm": summary(0.949, -0.001),
}


def test_score_table_with_published_values() -> None:
    table = score_table("census-income", SUMMARIES, ("tm-1", "tm-2"), published=True)
    assert table.splitlines() == [
        "| model |     income AUC |     Gain |   paper |",
        "| :---- | -------------: | -------: | ------: |",
        "| TM-1  |        0.94000 |        - | 0.93009 |",
        "| TM-2  | <u>0.96000</u> |        - | 0.90739 |",
        "| GBDT  |    **0.97000** | +0.02000 |       - |",
        "| EMM   |        0.94900 | -0.00100 |       - |",
    ]


@pytest.mark.parametrize(("dataset", "published"), [("census-income", False), ("movies", True)])
def test_score_table_without_published_values(dataset: str, published: bool) -> None:
    table = score_table(dataset, SUMMARIES, ("tm-1", "tm-2"), published=published)
    assert table.splitlines()[0] == "| model |     income AUC |     Gain |"


def test_the_deviation_is_not_marked() -> None:
    several = {"emm": summary(0.95, 0.0, std=0.00123, seeds=3)}
    table = score_table("movies", several, (), published=False)
    assert table.splitlines()[-1] == "| EMM   | **0.95000** ± 0.00123 | 0.00000 |"


def test_quality_table() -> None:
    rows = {"emm": summary(0.9, 0.0), "gbdt": summary(0.9, 0.0, operations=0)}
    assert quality_table(rows).splitlines() == [
        "| model | income log loss |     ECE | parameters | operations per row | best epoch |",
        "| :---- | --------------: | ------: | ---------: | -----------------: | ---------: |",
        "| EMM   |         0.12346 | 0.00321 |     12,345 |              6,789 |        7.2 |",
        "| GBDT  |         0.12346 | 0.00321 |     12,345 |                  - |        7.2 |",
    ]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["0.1"], ["**0.1**"]),
        (["0.1", "0.3", "0.2"], ["0.1", "**0.3**", "<u>0.2</u>"]),
        (["0.3", "0.3", "0.2", "0.1"], ["**0.3**", "**0.3**", "<u>0.2</u>", "0.1"]),
        (["0.3", "0.2", "0.2", "0.1"], ["**0.3**", "<u>0.2</u>", "<u>0.2</u>", "0.1"]),
        (["0.3", "0.3"], ["**0.3**", "**0.3**"]),
    ],
)
def test_the_best_is_bold_and_the_second_best_underlined(
    values: list[str], expected: list[str]
) -> None:
    assert marked(values) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.001234, "+0.00123"),
        (-0.001234, "-0.00123"),
        (-0.000001, "0.00000"),
        (0.0, "0.00000"),
        (None, "-"),
    ],
)
def test_signed(value: float | None, text: str) -> None:
    assert signed(value) == text


@pytest.mark.parametrize(
    ("seeds", "phrase"),
    [
        ([1, 1], "one seed, for these trained models"),
        ([3, 3], "mean ± standard deviation over 3 seeds"),
        ([5, 1, 3], "mean ± standard deviation over 1 to 5 seeds"),
    ],
)
def test_seeds_phrase(seeds: list[int], phrase: str) -> None:
    summaries = {str(i): summary(0.9, 0.0, seeds=count) for i, count in enumerate(seeds)}
    assert seeds_phrase(summaries) == phrase


def test_short_columns_are_wide_enough_for_markdown() -> None:
    assert markdown_table(["a", "b"], [["1", "2"]]).splitlines()[1] == "| :-- | --: |"
