from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emm.core.errors import DataError
from emm.data.tables.batches import RowTensors, batch_sizes, count_batches, joined, shuffled
from emm.data.tables.loading import load_table
from emm.data.tables.schema import WEIGHT
from tests.data.prepare.test_checks import frame, schema_of

SPLITS = {name: frame(seed, 7) for seed, name in enumerate(("train", "validation", "test"))}


def test_a_split_becomes_contiguous_tensors(tmp_path: Path) -> None:
    rows = SPLITS["train"]
    rows.write_parquet(tmp_path / "train.parquet")
    table = load_table(tmp_path / "train.parquet", schema_of(SPLITS))
    assert table.dense.dtype == torch.float32
    assert table.sparse.dtype == torch.int32
    assert table.labels.dtype == torch.uint8
    assert table.dense.tolist() == [[value] for value in rows["number"]]
    assert table.sparse.tolist() == [[value] for value in rows["id"]]
    assert all(t.is_contiguous() for t in (table.dense, table.sparse, table.labels))


def test_rows_weigh_what_the_dataset_says_where_that_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    weights = np.arange(len(SPLITS["train"]), dtype=np.float32) + 0.5
    SPLITS["train"].with_columns(pl.Series(WEIGHT, weights)).write_parquet(path)
    schema = replace(schema_of(SPLITS), weight="counts")
    weighted = load_table(path, schema, weighted=True)
    assert weighted.weights is not None
    assert weighted.weights.tolist() == weights.tolist()
    assert load_table(path, schema).weights is None


def test_weights_that_a_dataset_lacks_are_an_error(tmp_path: Path) -> None:
    SPLITS["train"].write_parquet(tmp_path / "train.parquet")
    with pytest.raises(DataError, match="tiny has no weights of its rows"):
        load_table(tmp_path / "train.parquet", schema_of(SPLITS), weighted=True)


def test_a_file_without_a_column_is_an_error(tmp_path: Path) -> None:
    SPLITS["train"].drop("id").write_parquet(tmp_path / "train.parquet")
    with pytest.raises(DataError, match="can't be read"):
        load_table(tmp_path / "train.parquet", schema_of(SPLITS))


def test_a_truncated_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    SPLITS["train"].write_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="can't be read"):
        load_table(path, schema_of(SPLITS))


@pytest.mark.parametrize(
    ("rows", "sizes"), [(10, [4, 4, 2]), (9, [4, 5]), (8, [4, 4]), (3, [3]), (1, [1])]
)
def test_an_epoch_has_each_row_once_and_no_last_batch_of_one(rows: int, sizes: list[int]) -> None:
    batches = list(shuffled(rows, 4, torch.Generator().manual_seed(0)))
    assert [len(batch) for batch in batches] == sizes
    assert sorted(torch.cat(batches).tolist()) == list(range(rows))


def test_the_generator_decides_the_order() -> None:
    first, again, other = (
        torch.cat(list(shuffled(50, 8, torch.Generator().manual_seed(seed)))) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_one_tasks_table_keeps_the_rows() -> None:
    table = RowTensors(
        torch.zeros(3, 1), torch.zeros(3, 1).int(), torch.tensor([[0, 1]] * 3).byte()
    )
    assert table.task(1).labels.tolist() == [[1], [1], [1]]
    assert pl.DataFrame(table.task(1).labels.numpy()).shape == (3, 1)


@settings(deadline=None)
@given(st.integers(0, 200), st.integers(2, 50))
def test_as_many_batches_are_counted_as_are_given(rows: int, batch_size: int) -> None:
    batches = list(shuffled(rows, batch_size, torch.Generator().manual_seed(0)))
    assert count_batches(rows, batch_size) == len(batches)
    assert batch_sizes(rows, batch_size) == [len(batch) for batch in batches]


def full() -> RowTensors:
    """Four rows, with everything that a table may hold."""
    numbers = torch.arange(4)
    labels = torch.stack([numbers % 2, numbers // 2], dim=1).byte()
    given, weights = numbers.float().unsqueeze(1) * 10, numbers.float() * 100
    return RowTensors(
        numbers.float().unsqueeze(1), numbers.int().unsqueeze(1), labels, given, weights
    )


def test_rows_are_taken_from_every_column() -> None:
    part = full().rows(torch.tensor([2, 0]))
    assert part.dense.tolist() == [[2], [0]]
    assert part.sparse.tolist() == [[2], [0]]
    assert part.labels.tolist() == [[0, 1], [0, 0]]
    assert part.given is not None
    assert part.weights is not None
    assert part.given.tolist() == [[20], [0]]
    assert part.weights.tolist() == [200, 0]


def test_a_device_is_moved_to_with_every_column() -> None:
    moved = full().to(torch.device("meta"))
    columns = (moved.dense, moved.sparse, moved.labels, moved.given, moved.weights)
    assert all(column is not None and column.is_meta for column in columns)


def test_one_tasks_table_keeps_what_is_given_and_the_weights() -> None:
    table = full()
    one = table.task(1)
    assert one.labels.tolist() == [[0], [0], [1], [1]]
    assert one.given is table.given
    assert one.weights is table.weights


def test_what_a_table_lacks_stays_absent() -> None:
    bare = RowTensors(torch.zeros(3, 1), torch.zeros(3, 1).int(), torch.zeros(3, 1).byte())
    for table in (bare.rows(torch.tensor([1])), bare.to(torch.device("cpu")), bare.task(0)):
        assert table.given is None
        assert table.weights is None


def test_a_model_reads_dense_and_sparse_and_what_is_given() -> None:
    table = full()
    assert list(map(id, table.inputs)) == list(map(id, (table.dense, table.sparse, table.given)))
    bare = RowTensors(table.dense, table.sparse, table.labels, weights=table.weights)
    assert list(map(id, bare.inputs)) == list(map(id, (bare.dense, bare.sparse)))


def test_batches_are_the_rows_of_the_order() -> None:
    table = full()
    order = shuffled(4, 2, torch.Generator().manual_seed(3))
    batches = list(table.shuffled(2, torch.Generator().manual_seed(3)))
    assert [b.sparse.flatten().tolist() for b in batches] == [index.tolist() for index in order]


@pytest.mark.parametrize(("size", "parts"), [(3, [[0, 1, 2], [3]]), (4, [[0, 1, 2, 3]]), (9, None)])
def test_rows_come_in_their_order(size: int, parts: list[list[int]] | None) -> None:
    found = [part.sparse.flatten().tolist() for part in full().in_order(size)]
    assert found == (parts or [[0, 1, 2, 3]])


def test_parts_are_joined_with_every_column() -> None:
    table = replace(full(), labels=full().labels.float(), kinds=("binary", "regression"))
    again = joined([table.part(0, 1), table.part(1, 4)])
    assert again.kinds == table.kinds
    pairs = ((again.dense, table.dense), (again.sparse, table.sparse), (again.labels, table.labels))
    assert all(torch.equal(left, right) for left, right in pairs)
    assert again.given is not None
    assert again.weights is not None
    assert torch.equal(again.given, torch.tensor([[0.0], [10], [20], [30]]))
    assert torch.equal(again.weights, torch.tensor([0.0, 100, 200, 300]))


def test_labels_are_bytes_where_all_tasks_are_binary() -> None:
    table = replace(full(), labels=full().labels.float() / 2, kinds=("regression", "binary"))
    first, second = table.task(0), table.task(1)
    assert (first.labels.dtype, first.kinds) == (torch.float32, ("regression",))
    assert (second.labels.dtype, second.kinds) == (torch.uint8, ())


def test_a_table_is_in_memory() -> None:
    table = full()
    assert table.in_memory(4, seed=0) is table
