from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emm.core.errors import DataError
from emm.data.tables import loading
from emm.data.tables.loading import Columns, Source, columns_of
from tests.data.tables.streamed import columns, flat, numbered, write
from tests.training.tiny import SCHEMA


def test_columns_are_named_as_the_schema_names_them() -> None:
    named = columns_of(SCHEMA)
    assert named.names == ("x", "y", "id", "label:t0", "label:t1")
    assert columns_of(SCHEMA, weighted=True).names == (*named.names, "weight")
    mixed = replace(SCHEMA, kinds={"t1": "regression"})
    assert columns_of(mixed).kinds == ("binary", "regression")


@pytest.mark.parametrize("weight", [(), ("weight",)])
@pytest.mark.parametrize("kinds", [(), ("binary", "regression")])
def test_bytes_of_a_row_are_those_of_its_tensors(
    weight: tuple[str, ...], kinds: tuple[str, ...]
) -> None:
    named = Columns(("a", "b"), ("c",), ("d", "e"), weight, kinds)
    table = named.empty(10)
    tensors = [table.dense, table.sparse, table.labels, table.weights]
    assert named.row_bytes * 10 == sum(x.nbytes for x in tensors if x is not None)


def test_rows_are_counted_without_being_read(tmp_path: Path) -> None:
    named = write(numbered(123), tmp_path / "rows.parquet", 10)
    assert Source(tmp_path / "rows.parquet", named).rows == 123


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(1, 100), st.integers(1, 40), st.data())
def test_slices_and_picked_rows_are_the_files(
    tmp_path: Path, rows: int, group: int, data: st.DataObject
) -> None:
    table = replace(numbered(rows), given=None)
    source = Source(tmp_path / "rows.parquet", write(table, tmp_path / "rows.parquet", group))
    start = data.draw(st.integers(0, rows - 1))
    stop = data.draw(st.integers(start + 1, rows))
    index = torch.tensor(sorted(data.draw(st.sets(st.integers(0, rows - 1), min_size=1))))
    found = columns(table).empty(stop - start + len(index))
    source.read(found, 0, start, stop)
    source.pick(found, stop - start, index)
    expected = torch.cat([flat(table.part(start, stop)), flat(table.rows(index))])
    assert torch.equal(flat(found), expected)


def test_a_table_does_not_depend_on_how_many_rows_are_read_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = replace(numbered(100), given=None)
    source = Source(tmp_path / "rows.parquet", write(table, tmp_path / "rows.parquet", 30))
    monkeypatch.setattr(loading, "ROWS", 7)
    assert torch.equal(flat(source.load()), flat(table))


def test_a_missing_value_is_an_error_that_names_its_column(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    named = write(numbered(20), path, 10)
    pl.read_parquet(path).with_columns(
        pl.when(pl.col("sparse0") != 13).then("sparse0").alias("sparse0")
    ).write_parquet(path)
    with pytest.raises(DataError, match="sparse0 lacks values between rows 0 and 20"):
        Source(path, named).load()


@pytest.mark.parametrize("name", ["absent.parquet", "text.parquet"])
def test_what_is_no_parquet_file_is_an_error_at_once(tmp_path: Path, name: str) -> None:
    (tmp_path / "text.parquet").write_text("no Parquet")
    with pytest.raises(DataError, match=f"{name} can't be read"):
        Source(tmp_path / name, columns(numbered(1)))


def test_columns_are_found_by_their_very_names(tmp_path: Path) -> None:
    frame = pl.DataFrame({"^a.*$": [1.0], "ab": [2.0], "*": [3]})
    frame.write_parquet(tmp_path / "rows.parquet")
    table = Source(tmp_path / "rows.parquet", Columns(("^a.*$",), ("*",))).load()
    assert (table.dense.tolist(), table.sparse.tolist()) == ([[1.0]], [[3]])
