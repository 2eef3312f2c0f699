from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from emm.core.errors import ModelFileError
from emm.data.tables.rows import RowTensors
from emm.fusion.member_facts import (
    MEMBERS,
    MemberFacts,
    load_facts,
    pool_facts,
    quality,
    save_facts,
    warnings_of,
    with_shares,
)
from emm.metrics.ranking import auc
from emm.outside.member import Checked

RISK = MemberFacts(
    name="risk",
    task="income",
    kind="onnx",
    join="opaque",
    outside=True,
    metric="auc",
    validation=0.87,
    train=0.88,
    share=0.25,
    checked=Checked(500, 3e-7, 1e-5),
)


def warned(**changes: object) -> list[str]:
    return list(warnings_of(replace(RISK, **changes)))


@pytest.mark.parametrize("found", [0.491, 0.5, 0.509])
def test_an_auc_of_chance_is_warned_of(found: float) -> None:
    (warning,) = warned(validation=found, train=found)
    assert "risk is no better than chance" in warning


@pytest.mark.parametrize("found", [0.2, 0.48])
def test_a_flipped_label_is_warned_of(found: float) -> None:
    (warning,) = warned(validation=found, train=found)
    assert "in the wrong order" in warning
    assert "other class's probability" in warning


def test_a_model_that_has_seen_train_is_warned_of() -> None:
    (warning,) = warned(validation=0.8, train=0.83)
    assert "has seen rows of train: its AUC there is 0.8300, on validation 0.8000" in warning


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"validation": 0.8, "train": 0.82 - 1e-9},
        {"validation": 0.52, "train": 0.52},
        {"validation": None, "train": None},
        {"metric": "r2", "validation": 0.1, "train": 0.9},
        {"outside": False, "validation": 0.5},
        {"outside": False, "validation": 0.7, "train": 0.9},
    ],
)
def test_nothing_else_is_warned_of(changes: dict[str, object]) -> None:
    assert warned(**changes) == []


def test_a_member_is_described_in_one_line() -> None:
    assert str(RISK) == (
        "risk: onnx of income, opaque; validation AUC 0.8700, share 0.25; "
        "within 3e-07 of the original's predictions for 500 rows"
    )
    unchecked = replace(RISK, checked=None, metric="r2", validation=None)
    assert str(unchecked) == (
        "risk: onnx of income, opaque; validation R² unknown, share 0.25; unchecked"
    )
    own = replace(RISK, outside=False, kind="network", join="cut", checked=None)
    assert str(own) == (
        "risk: network of income, cut into components; validation AUC 0.8700, share 0.25"
    )


def test_facts_are_stored(tmp_path: Path) -> None:
    facts = (RISK, replace(RISK, name="boost", checked=None, train=None))
    save_facts(tmp_path, facts)
    assert load_facts(tmp_path) == facts


def test_without_facts_there_is_no_file(tmp_path: Path) -> None:
    save_facts(tmp_path, [])
    assert list(tmp_path.iterdir()) == []
    assert load_facts(tmp_path) == ()


@pytest.mark.parametrize("content", ["", "[]", '{"format": 2}', '{"format": 1, "members": [{}]}'])
def test_damaged_facts_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / MEMBERS).write_text(content)
    with pytest.raises(ModelFileError, match="damaged"):
        load_facts(tmp_path)


def test_the_facts_of_all_seeds_are_joined() -> None:
    second = replace(RISK, validation=0.865, share=0.5)
    found = pool_facts([0, 3], [[RISK], [second]])
    assert found["seeds"] == [0, 3]
    assert found["warnings"] == []
    (member,) = found["members"]
    assert (member["name"], member["checked"]["rows"]) == ("risk", 500)
    assert (member["validation"], member["share"]) == ([0.87, 0.865], [0.25, 0.5])


def test_the_warnings_of_all_seeds_are_joined() -> None:
    wrong = replace(RISK, validation=0.2, train=0.2)
    found = pool_facts([0, 3], [[wrong], [wrong]])
    assert found["warnings"] == list(warnings_of(wrong))


def test_only_members_with_a_share_are_kept() -> None:
    facts = (RISK, replace(RISK, name="boost"))
    assert with_shares(facts, {"boost": 0.4}) == (replace(RISK, name="boost", share=0.4),)


class First(nn.Module):
    """The first dense column as logit."""

    def forward(self, dense: torch.Tensor, _sparse: torch.Tensor) -> torch.Tensor:
        return dense[:, :1]


def test_the_quality_is_that_of_the_labelled_rows_of_the_task() -> None:
    generator = torch.Generator().manual_seed(0)
    dense = torch.rand(60, 2, generator=generator)
    labels = (torch.rand(60, 2, generator=generator) > 0.5).float()
    labels[::3, 1] = torch.nan
    rows = RowTensors(dense, torch.zeros(60, 0, dtype=torch.int32), labels, partly_labelled=True)
    known = ~labels[:, 1].isnan()
    assert quality(First(), rows, 1) == auc(dense[known, 0], labels[known, 1])


def test_rows_of_one_class_have_no_quality() -> None:
    rows = RowTensors(
        torch.rand(9, 1), torch.zeros(9, 0, dtype=torch.int32), torch.ones(9, 1).byte()
    )
    assert quality(First(), rows, 0) is None
