import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from emm.core.errors import DataError, ParamsError
from emm.report.many_tables import read_truth, write_many
from emm.report.study_results import StudyTable
from emm.report.study_settings import StudySettings
from tests.report.many import stored, study, table

A = table("a", {"tm-1": [0.70, 0.70], "ensemble": [0.9005, 0.897], "emm": [0.90, 0.90]})
B = table("b", {"tm-1": [0.70], "ensemble": [0.80], "emm": [0.85]})
TABLES = {"a": A, "b": B}
ALL = study(TABLES)


def write(
    folder: Path,
    tables: Mapping[str, StudyTable] = TABLES,
    of: StudySettings = ALL,
    truth: Mapping[str, Mapping[str, float]] = MappingProxyType({}),
) -> str:
    page = folder / "tables.md"
    found = {name: stored(each) for name, each in tables.items()}
    write_many(of, found, {n: n for n in tables}, truth, page, folder / "tables/report")
    return page.read_text()


def test_the_page_has_the_ranks_of_each_table(tmp_path: Path) -> None:
    rows = [row for row in write(tmp_path).splitlines() if row.startswith("| EMM ")]
    # In A, EMM and the average have rank 1.5 each.
    assert [cell.strip() for cell in rows[0].split("|")[2:-1]] == ["1.25", "-", "1.5", "1.0"]


def test_the_page_says_how_many_are_won_tied_and_lost(tmp_path: Path) -> None:
    page = write(tmp_path)
    assert "EMM wins 5, ties 1 and loses 0 of 6 comparisons" in page
    assert "Against the plain average of its own pool, EMM wins 2, ties 1 and loses 0 of 3." in page


def test_the_page_names_where_the_average_is_better_beyond_its_error(tmp_path: Path) -> None:
    page = write(tmp_path, {"a": table("a", {**_scores(0.9015), "emm": [0.90, 0.90]}), "b": B})
    less = "below the average by more than the difference's standard error on"
    assert f"EMM is {less} task-0 of a (-0.00150)." in page
    assert f"EMM is {less} no task." in write(tmp_path)


def _scores(average: float) -> dict[str, list[float]]:
    return {"tm-1": [0.7, 0.7], "ensemble": [average, 0.8]}


def test_the_page_names_the_best_model_of_each_task(tmp_path: Path) -> None:
    page = write(tmp_path)
    assert "- A: task-0 Ensemble (+0.00050, a tie for EMM); task-1 EMM (0.90000)." in page
    assert "- B: task-0 EMM (0.85000)." in page


def test_a_table_that_was_not_run_is_named(tmp_path: Path) -> None:
    page = write(tmp_path, {"a": A})
    assert "- **B**: not run with the current code." in page
    assert "too few tables for a test of the ranks" in page
    assert "ranks.svg" not in page
    assert (tmp_path / "tables/report/.gitkeep").exists()


def test_without_any_table_there_is_a_page(tmp_path: Path) -> None:
    page = write(tmp_path, {})
    assert page.count("not run with the current code") == 2
    assert "## Ranks" not in page


def test_the_share_of_the_truth_is_of_the_auc_above_a_half(tmp_path: Path) -> None:
    page = write(tmp_path, truth={"b": {"task-0": 0.9}})
    assert "EMM reaches 87.5% on task-0." in page
    row = next(row for row in page.splitlines() if row.startswith("| true probabilities "))
    assert "0.90000" in row


def test_the_figure_is_the_same_for_the_same_numbers(tmp_path: Path) -> None:
    write(tmp_path)
    first = (tmp_path / "tables/report/ranks.svg").read_bytes()
    page = write(tmp_path)
    assert (tmp_path / "tables/report/ranks.svg").read_bytes() == first
    assert "(tables/report/ranks.svg)" in page


def test_tables_with_different_references_are_refused(tmp_path: Path) -> None:
    other = {"a": A, "b": table("b", {"emm": [0.8], "tm-1": [0.7]})}
    with pytest.raises(ParamsError, match="compared with different models"):
        write(tmp_path, other, study(other))


def test_the_truth_is_read_of_the_tables_that_have_one(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(json.dumps({"task-0": 0.9}))
    (tmp_path / "other.json").write_text("[]")
    assert read_truth(tmp_path, ALL) == {"b": {"task-0": 0.9}}


@pytest.mark.parametrize("text", ["[]", '{"task-0": "0.9"}', "{"])
def test_a_damaged_truth_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "b.json").write_text(text)
    with pytest.raises(DataError, match=r"b\.json"):
        read_truth(tmp_path, ALL)
