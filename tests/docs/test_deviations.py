"""The numbers in docs/deviations.md are those of the committed result files."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import deviation_docs as docs
from benchmarks.deviation_trials import TRIALS

OURS, THEIRS = {0: [0.9, 0.8], 1: [0.7, 0.8]}, {0: [0.9, 0.82], 1: [0.72, 0.82]}


def a_run(seed: int, aucs: list[tuple[float, float]], best: int, first: int = 1) -> dict[str, Any]:
    epochs = [{"income": income, "never-married": other} for income, other in aucs]
    return {"seed": seed, "first_epoch": first, "best_epoch": best, "auc": epochs}


def test_the_page_has_the_tables_of_the_result_files() -> None:
    text = docs.PAGE.read_text(encoding="utf-8")
    assert docs.page(text) == text
    start = text.index("<!-- adatt:start -->")
    changed = f"{text[:start]}{text[start:].replace('| 0.9', '| 0.1', 1)}"
    assert changed != text
    assert docs.page(changed) == text


def test_every_trial_is_on_the_page() -> None:
    shown = {name for group in docs.GROUPS.values() for name in group}
    shown |= {name for model in docs.WIDTHS for name in (model, f"{model}-8")}
    assert shown | {"mmoe-patience-50"} == set(TRIALS)


def test_committed_trials_are_those_of_today() -> None:
    for file in docs.RESULTS.glob("*.json"):
        record = json.loads(file.read_text(encoding="utf-8"))
        trial = TRIALS[file.stem]
        assert record["model"] == trial.model
        assert record["changes"] == json.loads(json.dumps(dict(trial.changes)))
        assert trial.rows in (None, record["rows"])


def test_scores_are_those_of_the_chosen_epoch() -> None:
    record = {"runs": [a_run(3, [(0.5, 0.5), (0.7, 0.6), (0.9, 0.4)], best=1, first=0)]}
    assert docs.scores_of(record) == {3: [0.7, 0.6]}


@pytest.mark.parametrize(
    ("patience", "tasks", "expected"), [(2, None, 1), (3, None, 4), (9, None, 4), (9, 1, 3)]
)
def test_a_rule_keeps_the_best_epoch_before_its_patience_ends(
    patience: int, tasks: int | None, expected: int
) -> None:
    aucs = [(0.5, 0.5), (0.6, 0.6), (0.6, 0.5), (0.9, 0.3), (0.8, 0.8), (0.8, 0.7)]
    assert docs.kept(a_run(0, aucs, best=1), patience, tasks) == expected


def test_a_row_has_mean_and_deviation_over_seeds_and_the_paired_difference() -> None:
    assert docs.row("theirs", THEIRS, OURS) == [
        "theirs",
        "0.81000 ± 0.12728",
        "0.82000 ± 0.00000",
        "0.81500 ± 0.06364",
        "+0.01500 ± 0.00707",
    ]


def test_ours_has_no_difference() -> None:
    assert docs.row("ours", OURS, OURS)[-1] == ""


def test_a_single_seed_has_no_deviation() -> None:
    assert docs.row("theirs", {1: [0.6, 0.8]}, OURS)[1:] == [
        "0.60000",
        "0.80000",
        "0.70000",
        "-0.05000",
    ]


def test_a_trial_that_has_not_run_has_no_numbers() -> None:
    assert docs.row("theirs", {}, OURS) == ["theirs", "-", "-", "-", "-"]


def test_the_verdict_names_ways_that_differ_with_every_seed() -> None:
    runs = {
        "ours": OURS,
        "better": THEIRS,
        "mixed": {0: [0.9, 0.9], 1: [0.1, 0.1]},
        "worse": {0: [0.1, 0.1], 1: [0.1, 0.1]},
        "one seed": {0: [0.1, 0.1]},
        "not run": {},
    }
    names = {name: name for name in runs}
    assert docs.verdict(names, runs, "ours", list(runs)[1:]) == (
        "Above ours with each of two or more seeds: better. "
        "Below ours with each of two or more seeds: worse."
    )


def test_a_page_without_markers_is_an_error() -> None:
    with pytest.raises(ValueError, match="widths:start"):
        docs.page("# Deviations\n")


def test_runs_are_read_from_the_trial_files(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(docs, "RESULTS", tmp_path)
    (tmp_path / "mmoe.json").write_text(json.dumps({"runs": [a_run(0, [(0.9, 0.8)], best=1)]}))
    assert docs.widths().splitlines()[2] == "| MMoE, **16** | 0.90000 | 0.80000 | 0.85000 |  |"
    assert docs.widths().splitlines()[3] == "| MMoE, 8 | - | - | - | - |"
