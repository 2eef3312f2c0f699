"""The table of PaddleRec's published results and ours."""

import json
from pathlib import Path

from emm.report.library import ENTRIES, library_table


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def row_of(table: str, model: str) -> list[str]:
    (line,) = [line for line in table.splitlines() if line.startswith(f"| {model} ")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_our_result_is_next_to_the_librarys(tmp_path: Path) -> None:
    write(tmp_path / "census-income/paper/ple.json", {"never-married": {"auc": 0.994561}})
    few_shot = {"5-way-1-shot": {"queries_1": {"accuracy": 0.98123}}}
    write(tmp_path / "omniglot/tuned/maml.json", few_shot)
    table = library_table(tmp_path, "paper")
    assert row_of(table, "PLE") == ["PLE", "`census-income`", "AUC", "0.99", "0.99456"]
    assert row_of(table, "MAML")[-1] == "0.9812"


def test_a_missing_result_is_marked_as_not_run(tmp_path: Path) -> None:
    table = library_table(tmp_path, "tuned")
    assert row_of(table, "MMoE")[-1] == "not run"
    assert "login" in row_of(table, "ESMM")[-1]


def test_every_model_of_the_library_has_an_entry() -> None:
    assert len(ENTRIES) == 6
    assert {entry.model for entry in ENTRIES} == {
        "MMoE",
        "ESMM",
        "SharedBottom",
        "PLE",
        "MAML",
        "AITM",
    }
