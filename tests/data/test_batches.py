from pathlib import Path

import polars as pl
import pytest
import torch

from emm.core.errors import DataError
from emm.data.batches import Table, load_table, shuffled
from tests.data.test_checks import frame, schema_of

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
    table = Table(torch.zeros(3, 1), torch.zeros(3, 1).int(), torch.tensor([[0, 1]] * 3).byte())
    assert table.task(1).labels.tolist() == [[1], [1], [1]]
    assert pl.DataFrame(table.task(1).labels.numpy()).shape == (3, 1)
