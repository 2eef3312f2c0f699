"""`emm check`: students and their teachers."""

from typing import Any

import pytest

from tests.commands.copies import DATA, PAPER, Copy, put
from tests.configuration import Tree

SMALL: dict[str, Any] = {"network": "shared_bottom", "learning_rate": 0.01}


def with_student(copy: Copy, **section: Any) -> None:
    """A recipe with folds, and a student."""
    copy.activate(students=["small"], fused=["emm", "ensemble"], table=["tm-1", "tm-2", "small"])

    def change(tree: Tree) -> None:
        tree["fusion"]["fit_on"] = "out-of-fold"
        frozen = {"merge": False, "start": {"towers": "frozen"}, "second": None}
        tree["train"]["emm"] |= {**frozen, "constant_gates": True}
        tree["train"]["small"] = {**SMALL, **section}

    copy.edit(PAPER, change)


@pytest.mark.parametrize(
    "section",
    [
        {},
        {"teacher": "emm", "bottom": [8], "temperature": 2.0, "max_epochs": 3},
        {"soft_targets": 0, "teacher": "nobody"},
        {"network": "single_task", "blocks": [[4]]},
    ],
    ids=str,
)
def test_students_that_can_learn(copy: Copy, section: dict[str, Any]) -> None:
    with_student(copy, **section)
    copy.check()


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"network": "mmeo"}, "no network is called 'mmeo'; did you mean 'mmoe'?"),
        ({"network": "emm"}, "no network is called 'emm'"),
        ({"network": "gbdt"}, "no network is called 'gbdt'"),
        ({"soft_targets": 1.2}, "train.small.soft_targets: got 1.2"),
        ({"temperature": 0}, "train.small.temperature: got 0"),
        ({"experts": 3}, "train.small.experts: unknown key"),
        ({"teacher": "mmoe"}, "'mmoe' can't teach: it is no fused row"),
        ({"weighting": {"rule": "dvs"}}, "no weighting rule is called 'dvs'"),
        ({"network": "esmm"}, "esmm needs a funnel"),
        ({"network": "aitm", "calibrator_weight": 0.5}, "the calibrator of aitm compares"),
    ],
    ids=str,
)
def test_students_that_can_not(copy: Copy, section: dict[str, Any], message: str) -> None:
    with_student(copy, **section)
    assert message in copy.faults()


@pytest.mark.parametrize("fit_on", ["train", "held-out"])
def test_a_teacher_must_not_have_seen_the_rows(copy: Copy, fit_on: str) -> None:
    with_student(copy)
    copy.edit(PAPER, put("fusion", fit_on=fit_on))
    assert f"fusion.fit_on: {fit_on}" in copy.faults()
    copy.edit(PAPER, put("train.small", soft_targets=0.0))
    copy.check()


def test_a_fused_row_that_learned_on_seen_rows_does_not_teach(copy: Copy) -> None:
    with_student(copy, teacher="emm")
    copy.edit(PAPER, put("train.emm", fit_on="train"))
    assert "emm can't teach: it has learned on predictions for rows" in copy.faults()


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"constant_gates": False}, "got: emm, with constant_gates: false"),
        ({"variant": "stacked", "start": {}}, "got: emm, with steps: gate, residual"),
    ],
)
def test_a_fused_row_that_can_know_rows_by_heart_does_not_teach(
    copy: Copy, section: dict[str, Any], message: str
) -> None:
    with_student(copy, teacher="emm")
    copy.edit(PAPER, put("train.emm", **section))
    assert message in copy.faults()


def test_a_student_without_a_section_or_a_network_is_an_error(copy: Copy) -> None:
    with_student(copy)
    copy.edit(PAPER, lambda tree: tree["train"].update(small={}))
    assert "train.small.network" in copy.faults()
    copy.edit(PAPER, lambda tree: tree["train"].pop("small"))
    assert "no section is called 'small'" in copy.faults()


def test_a_name_stands_for_one_model(copy: Copy) -> None:
    copy.activate(students=["emm"])
    assert "students: 'emm' is in fused, too" in copy.faults()


def test_a_pool_of_one_task_does_not_teach(copy: Copy) -> None:
    with_student(copy)
    copy.activate(fused=[], table=["tm-1", "tm-2", "small"])
    copy.edit(DATA, lambda tree: tree.update(tasks=["income"]))
    assert "a pool teaches two tasks or more" in copy.faults()
    copy.edit(PAPER, put("train.small", soft_targets=0.0))
    copy.check()
