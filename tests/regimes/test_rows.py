"""The rows of the regimes: halves that share no group, and joint rows that are drawn from one."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch

from emm.regimes.rows import Table, open_labels, open_table
from tests.regimes.tiny_regimes import ROWS, save_tiny


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Table:
    return open_table(save_tiny(tmp_path_factory.mktemp("data")))


def numbered(table: Table) -> Table:
    """The number of each row as its only label, three rows a group."""
    numbers = torch.arange(ROWS).float().unsqueeze(1)
    groups = (torch.arange(ROWS) // 3).int()
    return replace(table, train=replace(table.train, labels=numbers, groups=groups))


def test_a_group_is_in_one_half(opened: Table) -> None:
    halves = numbered(opened).halves(0)
    first = {int(n) // 3 for n in halves.members.labels[:, 0]}
    second = {int(n) // 3 for n in halves.joint.labels[:, 0]}
    assert not first & second
    assert len(halves.members) + len(halves.joint) == ROWS


def test_other_draws_have_other_halves(opened: Table) -> None:
    one, other = (numbered(opened).halves(draw).joint.labels for draw in (0, 1))
    assert set(one[:, 0].tolist()) != set(other[:, 0].tolist())


def test_fewer_joint_rows_are_among_more(opened: Table) -> None:
    halves = numbered(opened).halves(0)
    few, more = (set(halves.draw_joint(n).labels[:, 0].tolist()) for n in (50, 200))
    assert len(few) == 50
    assert few < more


def test_few_groups_are_no_groups(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path)
    days = pl.DataFrame({"group": [n // 300 for n in range(ROWS)]}, schema={"group": pl.Int32})
    days.write_parquet(folder / "groups.parquet")
    assert open_table(folder).train.groups is None


def test_labels_of_test_are_those_of_the_task(opened: Table) -> None:
    labels = open_labels(opened.processed, opened.schema, "t1")
    expected = pl.read_parquet(opened.processed / "test.parquet")["label:t1"].to_list()
    assert labels.tolist() == expected
