"""The groups of a split's rows, by a column of its file."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from emm.core.errors import DataError, ParamsError
from emm.data.tables.groups import load_groups
from emm.data.tables.schema import SparseColumn
from tests.training.tiny import SCHEMA

USER = SparseColumn("user", 4, 0, constant=False)
KEYED = replace(SCHEMA, sparse=(*SCHEMA.sparse, USER), key="visit", kept=("search",))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    frame = pl.DataFrame(
        {"user": [2, 0, 1, 2], "visit": ["b", "a", None, "b"], "search": [0, 70, 0, None]}
    )
    frame.cast({"user": pl.Int32}).write_parquet(tmp_path / "test.parquet")
    return tmp_path / "test.parquet"


def test_the_ids_of_a_sparse_column_are_groups_but_for_the_unknown(path: Path) -> None:
    assert load_groups(path, KEYED, "user").tolist() == [2, -1, 1, 2]


def test_the_values_of_the_key_are_groups_but_for_missing_ones(path: Path) -> None:
    assert load_groups(path, KEYED, "visit").tolist() == [2, 1, -1, 2]


def test_a_kept_column_says_what_is_unknown_by_missing_alone(path: Path) -> None:
    assert load_groups(path, KEYED, "search").tolist() == [1, 2, 1, -1]


def test_no_other_column_is_a_group(path: Path) -> None:
    with pytest.raises(ParamsError, match="no group of rows is called 'usr'; did you mean 'user'"):
        load_groups(path, KEYED, "usr")


def test_a_file_without_the_column_is_told(path: Path) -> None:
    with pytest.raises(DataError, match=r"test\.parquet can't be read"):
        load_groups(path, KEYED, "id")
