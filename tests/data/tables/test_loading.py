from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emm.core.errors import DataError, ParamsError
from emm.data.tables import loading
from emm.data.tables.loading import Columns, SplitFile, columns_of, load_groups
from emm.data.tables.schema import SparseColumn
from tests.data.tables.streamed import columns, flat, numbered, write
from tests.training.tiny import SCHEMA


def test_column_names_are_those_of_the_schema() -> None:
    named = columns_of(SCHEMA)
    assert named.names == ("x", "y", "id", "label:t0", "label:t1")
    assert columns_of(SCHEMA, weighted=True).names == (*named.names, "weight")
    mixed = replace(SCHEMA, kinds={"t1": "regression"})
    assert columns_of(mixed).kinds == ("binary", "regression")


@pytest.mark.parametrize("weight", [(), ("weight",)])
@pytest.mark.parametrize("kinds", [(), ("binary", "regression")])
def test_row_bytes_is_the_size_of_the_tensors(
    weight: tuple[str, ...], kinds: tuple[str, ...]
) -> None:
    named = Columns(("a", "b"), ("c",), ("d", "e"), weight, kinds)
    empty = named.empty(10)
    tensors = [empty.dense, empty.sparse, empty.labels, empty.weights]
    assert named.row_bytes * 10 == sum(x.nbytes for x in tensors if x is not None)


def test_rows_are_counted_without_being_read(tmp_path: Path) -> None:
    named = write(numbered(123), tmp_path / "rows.parquet", 10)
    assert SplitFile(tmp_path / "rows.parquet", named).rows == 123


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(1, 100), st.integers(1, 40), st.data())
def test_slices_and_picked_rows_are_those_of_the_file(
    tmp_path: Path, rows: int, group: int, data: st.DataObject
) -> None:
    original = replace(numbered(rows), cached_predictions=None)
    file = SplitFile(tmp_path / "rows.parquet", write(original, tmp_path / "rows.parquet", group))
    start = data.draw(st.integers(0, rows - 1))
    stop = data.draw(st.integers(start + 1, rows))
    index = torch.tensor(sorted(data.draw(st.sets(st.integers(0, rows - 1), min_size=1))))
    found = columns(original).empty(stop - start + len(index))
    file.read(found, 0, start, stop)
    file.pick(found, stop - start, index)
    expected = torch.cat([flat(original.part(start, stop)), flat(original.rows(index))])
    assert torch.equal(flat(found), expected)


def test_rows_do_not_depend_on_the_size_of_slices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = replace(numbered(100), cached_predictions=None)
    file = SplitFile(tmp_path / "rows.parquet", write(original, tmp_path / "rows.parquet", 30))
    monkeypatch.setattr(loading, "SLICE_ROWS", 7)
    assert torch.equal(flat(file.load()), flat(original))


def test_a_missing_value_is_an_error_with_its_column(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    named = write(numbered(20), path, 10)
    pl.read_parquet(path).with_columns(
        pl.when(pl.col("sparse0") != 13).then("sparse0").alias("sparse0")
    ).write_parquet(path)
    with pytest.raises(DataError, match="sparse0 lacks values between rows 0 and 20"):
        SplitFile(path, named).load()


@pytest.mark.parametrize("name", ["absent.parquet", "text.parquet"])
def test_a_file_that_is_not_parquet_is_an_error_when_opened(tmp_path: Path, name: str) -> None:
    (tmp_path / "text.parquet").write_text("no Parquet")
    with pytest.raises(DataError, match=f"{name} can't be read"):
        SplitFile(tmp_path / name, columns(numbered(1)))


def test_column_names_are_not_patterns(tmp_path: Path) -> None:
    frame = pl.DataFrame({"^a.*$": [1.0], "ab": [2.0], "*": [3]})
    frame.write_parquet(tmp_path / "rows.parquet")
    found = SplitFile(tmp_path / "rows.parquet", Columns(("^a.*$",), ("*",))).load()
    assert (found.dense.tolist(), found.sparse.tolist()) == ([[1.0]], [[3]])


USER = SparseColumn("user", 4, 0, constant=False)
KEYED = replace(SCHEMA, sparse=(*SCHEMA.sparse, USER), key="visit", kept=("search",))


@pytest.fixture
def split(tmp_path: Path) -> Path:
    frame = pl.DataFrame(
        {"user": [2, 0, 1, 2], "visit": ["b", "a", None, "b"], "search": [0, 70, 0, None]}
    )
    frame.cast({"user": pl.Int32}).write_parquet(tmp_path / "test.parquet")
    return tmp_path / "test.parquet"


def test_the_ids_of_a_sparse_column_are_groups_except_0(split: Path) -> None:
    assert load_groups(split, KEYED, "user").tolist() == [2, -1, 1, 2]


def test_the_values_of_the_key_are_groups_except_missing_ones(split: Path) -> None:
    assert load_groups(split, KEYED, "visit").tolist() == [2, 1, -1, 2]


def test_only_missing_values_of_a_kept_column_are_no_group(split: Path) -> None:
    assert load_groups(split, KEYED, "search").tolist() == [1, 2, 1, -1]


def test_another_column_is_not_a_group(split: Path) -> None:
    with pytest.raises(ParamsError, match="no group of rows is called 'usr'; did you mean 'user'"):
        load_groups(split, KEYED, "usr")


def test_a_file_without_the_group_column_is_an_error(split: Path) -> None:
    with pytest.raises(DataError, match=r"test\.parquet can't be read"):
        load_groups(split, KEYED, "id")
