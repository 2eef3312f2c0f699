import json
from pathlib import Path

import pytest

from emm.core.errors import DataError
from emm.report.facts import DatasetFacts
from emm.report.page import page
from emm.report.stacking import (
    Stacking,
    StackingRun,
    Step,
    read_stacking,
    stacking_sentences,
    stacking_table,
)
from emm.report.summary import Summary, Totals
from tests.report.test_members import results
from tests.report.test_page import TASKS

FIRST = Step("average", 0.3, 0.0, 0.0, taken=True)


def run(seed: int, *, weights: bool, gate: bool) -> StackingRun:
    steps = (
        FIRST,
        Step("weights", 0.29, 0.01 * (seed + 1), 0.002, taken=weights, setting=0.1),
        Step("gate", 0.31, -0.02, 0.003, taken=gate, setting=0.01),
    )
    return StackingRun(seed, {"income": steps, "never-married": ()})


STACKED = {
    "emm": Stacking(1, (run(0, weights=True, gate=False), run(1, weights=True, gate=True))),
    "ensemble": Stacking(1, (run(0, weights=False, gate=False),)),
}


def test_every_step_has_a_row_with_its_gain_and_how_often_it_was_taken() -> None:
    lines = [line.split("|")[1:-1] for line in stacking_table(STACKED).split("\n")[2:]]
    assert [[cell.strip() for cell in line] for line in lines] == [
        ["EMM", "income", "weights", "+0.015000", "0.002000", "2 of 2"],
        ["EMM", "income", "gate", "-0.020000", "0.003000", "1 of 2"],
        ["Ensemble", "income", "weights", "+0.010000", "0.002000", "no"],
        ["Ensemble", "income", "gate", "-0.020000", "0.003000", "no"],
    ]


def test_models_that_are_the_average_are_named() -> None:
    assert stacking_sentences(STACKED) == [
        f"{model} is the average of the pool's members for {task}: no step beyond it gained more "
        "than its standard error."
        for model, task in (
            ("EMM", "never-married"),
            ("Ensemble", "income"),
            ("Ensemble", "never-married"),
        )
    ]


def test_the_page_has_them_only_with_stacked_models(facts: DatasetFacts) -> None:
    summaries = {"emm": Summary(TASKS, Totals(0.95, 10, 20, 1, 3))}
    with_steps = page(facts, "paper", summaries, (), "figures", stacked=STACKED)
    assert "## Steps of stacking" in with_steps
    assert stacking_table(STACKED) in with_steps
    assert "Steps of" not in page(facts, "paper", summaries, (), "figures")


def test_files_of_stacked_models_are_read(tmp_path: Path) -> None:
    assert read_stacking([results(tmp_path)]) == {}
    found = STACKED["ensemble"]
    steps = {task: [vars(each) for each in x] for task, x in found.runs[0].steps.items()}
    tree = {"format": 1, "runs": [{"seed": 0, "steps": steps}]}
    (tmp_path / "stacking.json").write_text(json.dumps(tree))
    assert read_stacking([results(tmp_path)]) == {"emm": found}
    (tmp_path / "stacking.json").write_text('{"format": 1, "runs": 3}')
    with pytest.raises(DataError, match="unexpected content"):
        read_stacking([results(tmp_path)])
