"""The README's block of results."""

from pathlib import Path

import pytest

from emm.core.errors import DataError
from emm.report.readme import END, START, readme_block, replace_block, results_table
from emm.report.summary import Summary, Totals, write_metrics
from emm.report.task_summaries import TaskSummary


def test_the_results_table_needs_metrics_files_only(tmp_path: Path) -> None:
    task = TaskSummary(auc=0.95, auc_std=None, auc_gain=0.01, logloss=0.2, ece=0.01)
    summary = Summary({"income": task}, Totals(0.95, 10, 20, 1, 4))
    write_metrics(tmp_path / "census-income/paper", {"tm-1": summary, "emm": summary})
    found = results_table(tmp_path, "census-income", "paper", ["emm", "tm-1"], ["tm-1"])
    assert found == (
        "`census-income`, recipe `paper`: AUC on the test split, one seed, for these trained "
        "models; best in bold, second underlined ([report](reports/census-income.md)).\n\n"
        "| model |  income AUC |     Gain |\n"
        "| :---- | ----------: | -------: |\n"
        "| EMM   | **0.95000** | +0.01000 |\n"
        "| TM-1  | **0.95000** |        - |"
    )


def test_a_missing_metrics_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"emm\.json is missing"):
        results_table(tmp_path, "census-income", "paper", ["emm"], [])


def test_only_the_block_is_replaced() -> None:
    readme = f"# Title\n\n{START}\nold\n{END}\n\nrest\n"
    expected = f"# Title\n\n{START}\n\nnew\n\n{END}\n\nrest\n"
    assert replace_block(readme, readme_block(["new"])) == expected


def test_replacing_twice_changes_nothing() -> None:
    block = readme_block(["one", "two"])
    once = replace_block(f"a\n{START}{END}\nb\n", block)
    assert replace_block(once, block) == once


@pytest.mark.parametrize(
    "readme", ["", START, END, f"{END}{START}", f"{START}{END}{START}{END}", f"{START}{START}{END}"]
)
def test_a_readme_without_one_pair_of_markers_is_an_error(readme: str) -> None:
    with pytest.raises(DataError, match="no place for the results"):
        replace_block(readme, readme_block([]))
