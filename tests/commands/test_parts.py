"""`emm check`: members of parts of a table, against the columns of the preprocessed table."""

from dataclasses import replace

import pytest

from emm.data.tables.schema import write_schema
from tests.commands.copies import PAPER, Copy
from tests.configuration import Change
from tests.training.tiny import SCHEMA


def part(section: str, name: str, **keys: object) -> Change:
    """Add keys to a section such as pretrain.tm-1."""
    return lambda tree: tree[section][name].update(keys)


@pytest.fixture
def processed(copy: Copy) -> Copy:
    folder = copy.params.parent / "data/processed/census-income"
    folder.mkdir(parents=True)
    write_schema(replace(SCHEMA, dataset="census-income"), folder / "schema.json")
    return copy


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            part("pretrain", "tm-1", columns=["y", "idd"]),
            "pretrain.tm-1.columns: no column is called 'idd'; did you mean 'id'?",
        ),
        (
            part("train", "gbdt", columns={"except": ["xy"]}),
            "train.gbdt.columns: no column is called 'xy'",
        ),
        (
            part("pretrain", "tm-2", rows={"id": {"below": 3}}),
            "pretrain.tm-2.rows.id: the column holds values; expected [..]",
        ),
    ],
)
def test_unknown_columns_are_refused(processed: Copy, change: Change, message: str) -> None:
    processed.edit(PAPER, change)
    assert message in processed.faults()


def test_without_a_preprocessed_table_only_the_form_is_checked(copy: Copy) -> None:
    copy.edit(PAPER, part("pretrain", "tm-1", columns=["anything"]))
    copy.check()
    copy.edit(PAPER, part("pretrain", "tm-1", columns="age"))
    assert "pretrain.tm-1.columns: got 'age', expected a list of text" in copy.faults()
