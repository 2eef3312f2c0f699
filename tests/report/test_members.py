import json
from pathlib import Path
from typing import Any

import pytest

from emm.core.errors import DataError
from emm.report.facts import DatasetFacts
from emm.report.members import (
    Compared,
    Member,
    PoolMembers,
    member_warnings,
    members_table,
    read_members,
)
from emm.report.page import page
from emm.report.results import Evaluation, ModelResults
from emm.report.summary import Summary, Totals
from tests.report.test_page import TASKS

COMPARED = Compared(500, 3e-7, 1e-5)


def member(name: str, **changes: Any) -> Member:
    values: dict[str, Any] = {
        "task": "income",
        "kind": "onnx",
        "join": "opaque",
        "outside": True,
        "metric": "auc",
        "validation": (0.87, 0.89),
        "train": (0.88, 0.9),
        "share": (0.2, 0.3),
        "checked": COMPARED,
    }
    return Member(name, **values | changes)


OWN = member("tm-1/income", kind="network", join="cut", outside=False, checked=None)
POOLS = {
    "emm": PoolMembers(1, (0, 1), (member("risk"), OWN), ("risk is odd",)),
    "ensemble": PoolMembers(
        1,
        (0, 1),
        (member("risk", share=(0.5, 0.5)), member("boost", checked=None)),
        ("risk is odd", "boost is odd"),
    ),
}


def cells(pools: dict[str, PoolMembers]) -> dict[str, list[str]]:
    """The cells of the table by member, without the rule."""
    lines = [
        [x.strip() for x in line.split("|")[1:-1]] for line in members_table(pools).split("\n")
    ]
    return {line[0]: line[1:] for line in [lines[0], *lines[2:]]}


def test_every_member_has_a_row_with_its_share_in_each_fused_model() -> None:
    assert cells(POOLS) == {
        "member": [
            "task",
            "kind",
            "validation AUC",
            "checked",
            "share in EMM",
            "share in Ensemble",
        ],
        "`risk`": [
            "income",
            "onnx, opaque",
            "0.88000",
            "within 3e-07 in 500 rows",
            "0.250",
            "0.500",
        ],
        "`tm-1/income`": ["income", "network, cut", "0.88000", "trained here", "0.250", "-"],
        "`boost`": ["income", "onnx, opaque", "0.88000", "**unchecked**", "-", "0.250"],
    }


def test_the_reason_of_a_wider_tolerance_is_shown() -> None:
    wide = Compared(60, 5e-5, 1e-4, "float32 in the export")
    found = cells({"emm": PoolMembers(1, (0,), (member("risk", checked=wide),))})
    assert found["`risk`"][3] == "within 5e-05 in 60 rows (float32 in the export)"


def test_scores_of_regressions_are_named_and_unknown_ones_left_out() -> None:
    price = member("price", metric="r2", validation=(None, None))
    found = cells({"emm": PoolMembers(1, (0,), (member("risk"), price))})
    assert found["member"][2] == "validation AUC or R²"
    assert found["`price`"][2] == "-"


def test_warnings_are_listed_once() -> None:
    assert member_warnings(POOLS) == ["risk is odd", "boost is odd"]


def text_of(facts: DatasetFacts, pools: dict[str, PoolMembers]) -> str:
    summaries = {"emm": Summary(TASKS, Totals(0.95, 10, 20, 1, 3))}
    return page(facts, "paper", summaries, (), "figures", pools=pools)


def test_the_page_has_the_members_and_their_warnings(facts: DatasetFacts) -> None:
    text = text_of(facts, POOLS)
    assert "## Members of the pool" in text
    assert members_table(POOLS) in text
    assert "\n- risk is odd\n- boost is odd\n" in text


def test_a_page_without_outside_members_does_not_mention_them(facts: DatasetFacts) -> None:
    assert "Members" not in text_of(facts, {})


def results(folder: Path) -> ModelResults:
    return ModelResults("emm", folder, Evaluation("emm", (0,), 1, 1, {}), ())


def test_members_are_read_as_the_evaluation_writes_them(tmp_path: Path) -> None:
    described = {
        "name": "risk",
        "task": "income",
        "kind": "onnx",
        "join": "opaque",
        "outside": True,
        "metric": "auc",
        "validation": [0.87],
        "train": [None],
        "share": [0.2],
        "checked": None,
    }
    tree = {"format": 1, "seeds": [0], "members": [described], "warnings": []}
    (tmp_path / "members.json").write_text(json.dumps(tree))
    (found,) = read_members([results(tmp_path)])["emm"].members
    assert found == member("risk", validation=(0.87,), train=(None,), share=(0.2,), checked=None)


def test_models_without_the_file_have_no_members(tmp_path: Path) -> None:
    assert read_members([results(tmp_path)]) == {}


def test_a_damaged_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "members.json").write_text("{}")
    with pytest.raises(DataError, match="unexpected content"):
        read_members([results(tmp_path)])
