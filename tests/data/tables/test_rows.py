from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emm.core.errors import DataError
from emm.data.tables.loading import load_split
from emm.data.tables.names import WEIGHT
from emm.data.tables.rows import RowTensors, batch_sizes, count_batches, joined, shuffled
from tests.data.prepare.checks.tables import binary_rows, schema_of

ROWS = binary_rows(0, 7)
SCHEMA = schema_of(ROWS)


def test_a_split_is_loaded_as_contiguous_tensors(tmp_path: Path) -> None:
    ROWS.write_parquet(tmp_path / "train.parquet")
    data = load_split(tmp_path / "train.parquet", SCHEMA)
    assert data.dense.dtype == torch.float32
    assert data.sparse.dtype == torch.int32
    assert data.labels.dtype == torch.uint8
    assert data.dense.tolist() == [[value] for value in ROWS["number"]]
    assert data.sparse.tolist() == [[value] for value in ROWS["id"]]
    assert all(t.is_contiguous() for t in (data.dense, data.sparse, data.labels))


def test_weights_are_loaded_on_request(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    weights = np.arange(len(ROWS), dtype=np.float32) + 0.5
    ROWS.with_columns(pl.Series(WEIGHT, weights)).write_parquet(path)
    schema = replace(SCHEMA, weight="counts")
    weighted = load_split(path, schema, weighted=True)
    assert weighted.weights is not None
    assert weighted.weights.tolist() == weights.tolist()
    assert load_split(path, schema).weights is None


def test_missing_weights_are_an_error(tmp_path: Path) -> None:
    ROWS.write_parquet(tmp_path / "train.parquet")
    with pytest.raises(DataError, match="tiny has no row weights"):
        load_split(tmp_path / "train.parquet", SCHEMA, weighted=True)


def test_a_missing_column_is_an_error(tmp_path: Path) -> None:
    ROWS.drop("id").write_parquet(tmp_path / "train.parquet")
    with pytest.raises(DataError, match="can't be read"):
        load_split(tmp_path / "train.parquet", SCHEMA)


def test_a_truncated_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    ROWS.write_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="can't be read"):
        load_split(path, SCHEMA)


@pytest.mark.parametrize(
    ("rows", "sizes"), [(10, [4, 4, 2]), (9, [4, 5]), (8, [4, 4]), (3, [3]), (1, [1])]
)
def test_an_epoch_has_each_row_once_and_no_last_batch_of_one_row(
    rows: int, sizes: list[int]
) -> None:
    batches = list(shuffled(rows, 4, torch.Generator().manual_seed(0)))
    assert [len(batch) for batch in batches] == sizes
    assert sorted(torch.cat(batches).tolist()) == list(range(rows))


def test_the_order_depends_on_the_generator() -> None:
    first, again, other = (
        torch.cat(list(shuffled(50, 8, torch.Generator().manual_seed(seed)))) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_rows_of_one_task_have_its_labels_only() -> None:
    data = RowTensors(torch.zeros(3, 1), torch.zeros(3, 1).int(), torch.tensor([[0, 1]] * 3).byte())
    assert data.task(1).labels.tolist() == [[1], [1], [1]]
    assert pl.DataFrame(data.task(1).labels.numpy()).shape == (3, 1)


@settings(deadline=None)
@given(st.integers(0, 200), st.integers(2, 50))
def test_the_number_of_batches_is_counted(rows: int, batch_size: int) -> None:
    batches = list(shuffled(rows, batch_size, torch.Generator().manual_seed(0)))
    assert count_batches(rows, batch_size) == len(batches)
    assert batch_sizes(rows, batch_size) == [len(batch) for batch in batches]


def full() -> RowTensors:
    """Four rows with all optional columns."""
    numbers = torch.arange(4)
    labels = torch.stack([numbers % 2, numbers // 2], dim=1).byte()
    cached, weights = numbers.float().unsqueeze(1) * 10, numbers.float() * 100
    return RowTensors(
        numbers.float().unsqueeze(1),
        numbers.int().unsqueeze(1),
        labels,
        cached,
        weights,
        groups=numbers.int() * 1000,
    )


def test_rows_are_selected_in_every_column() -> None:
    part = full().rows(torch.tensor([2, 0]))
    assert part.dense.tolist() == [[2], [0]]
    assert part.sparse.tolist() == [[2], [0]]
    assert part.labels.tolist() == [[0, 1], [0, 0]]
    assert part.cached_predictions is not None
    assert part.weights is not None
    assert part.cached_predictions.tolist() == [[20], [0]]
    assert part.weights.tolist() == [200, 0]
    assert part.groups is not None
    assert part.groups.tolist() == [2000, 0]


def test_batches_have_no_groups() -> None:
    generator = torch.Generator().manual_seed(0)
    batches = [*full().shuffled(2, generator), *full().in_order(2)]
    assert [batch.groups for batch in batches] == [None] * 4


def test_joined_rows_have_every_column() -> None:
    data = full()
    again = joined([data.part(0, 1), data.part(1, 4)])
    for name, value in vars(data).items():
        own = getattr(again, name)
        assert torch.equal(own, value) if isinstance(value, torch.Tensor) else own == value


def test_every_column_is_moved_to_a_device() -> None:
    moved = full().to(torch.device("meta"))
    columns = [getattr(moved, n) for n, v in vars(full()).items() if isinstance(v, torch.Tensor)]
    assert len(columns) == 6
    assert all(column is not None and column.is_meta for column in columns)


def test_the_rows_of_one_task_keep_cached_predictions_and_weights() -> None:
    data = full()
    one = data.task(1)
    assert one.labels.tolist() == [[0], [0], [1], [1]]
    assert one.cached_predictions is data.cached_predictions
    assert one.weights is data.weights
    assert one.groups is data.groups


def test_missing_columns_stay_missing() -> None:
    bare = RowTensors(torch.zeros(3, 1), torch.zeros(3, 1).int(), torch.zeros(3, 1).byte())
    for rows in (bare.rows(torch.tensor([1])), bare.to(torch.device("cpu")), bare.task(0)):
        assert rows.cached_predictions is None
        assert rows.weights is None
        assert rows.groups is None


def test_the_inputs_are_dense_sparse_and_cached_predictions() -> None:
    data = full()
    expected = (data.dense, data.sparse, data.cached_predictions)
    assert list(map(id, data.inputs)) == list(map(id, expected))
    bare = RowTensors(data.dense, data.sparse, data.labels, weights=data.weights)
    assert list(map(id, bare.inputs)) == list(map(id, (bare.dense, bare.sparse)))


def test_shuffled_batches_follow_the_shuffled_row_numbers() -> None:
    data = full()
    order = shuffled(4, 2, torch.Generator().manual_seed(3))
    batches = list(data.shuffled(2, torch.Generator().manual_seed(3)))
    assert [b.sparse.flatten().tolist() for b in batches] == [index.tolist() for index in order]


@pytest.mark.parametrize(("size", "parts"), [(3, [[0, 1, 2], [3]]), (4, [[0, 1, 2, 3]]), (9, None)])
def test_in_order_yields_the_rows_in_order(size: int, parts: list[list[int]] | None) -> None:
    found = [part.sparse.flatten().tolist() for part in full().in_order(size)]
    assert found == (parts or [[0, 1, 2, 3]])


def test_parts_are_joined_with_every_column() -> None:
    data = replace(full(), labels=full().labels.float(), kinds=("binary", "regression"))
    again = joined([data.part(0, 1), data.part(1, 4)])
    assert again.kinds == data.kinds
    pairs = ((again.dense, data.dense), (again.sparse, data.sparse), (again.labels, data.labels))
    assert all(torch.equal(left, right) for left, right in pairs)
    assert again.cached_predictions is not None
    assert again.weights is not None
    assert torch.equal(again.cached_predictions, torch.tensor([[0.0], [10], [20], [30]]))
    assert torch.equal(again.weights, torch.tensor([0.0, 100, 200, 300]))


def test_labels_are_bytes_if_all_tasks_are_binary() -> None:
    data = replace(full(), labels=full().labels.float() / 2, kinds=("regression", "binary"))
    first, second = data.task(0), data.task(1)
    assert (first.labels.dtype, first.kinds) == (torch.float32, ("regression",))
    assert (second.labels.dtype, second.kinds) == (torch.uint8, ())


def test_row_tensors_are_already_in_memory() -> None:
    data = full()
    assert data.in_memory(4, seed=0) is data
