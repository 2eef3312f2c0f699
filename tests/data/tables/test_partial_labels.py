"""Rows with missing labels and tasks of classes, in memory and streamed."""

import math
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from emm.core.errors import DataError
from emm.data.tables.loading import Columns, SplitFile, columns_of, load_split
from emm.data.tables.memory import open_stream
from emm.data.tables.outputs import output_columns, split_outputs
from emm.data.tables.rows import Rows, RowTensors, joined
from emm.data.tables.schema import Schema, Split
from tests.data.tables.streamed import CPU, everything
from tests.training.tiny import SCHEMA

TASKS = ("click", "grade", "spend")
MIXED = Columns(
    ("x",),
    ("id",),
    tuple(f"label:{task}" for task in TASKS),
    kinds=("binary", "classes", "regression"),
    outputs=(1, 3, 1),
    partly_labelled=True,
)
LABELS = pl.DataFrame(
    {
        "label:click": pl.Series([1, None, 0, None, 1], dtype=pl.UInt8),
        "label:grade": pl.Series([2, 0, None, None, 1], dtype=pl.UInt16),
        "label:spend": pl.Series([None, 0.5, None, -1.25, 0.0], dtype=pl.Float32),
    }
)


def written(folder: Path, labels: pl.DataFrame = LABELS) -> SplitFile:
    numbers = range(len(labels))
    features = pl.DataFrame({"x": numbers, "id": numbers}).cast({"x": pl.Float32, "id": pl.Int32})
    path = folder / "train.parquet"
    pl.concat([features, labels], how="horizontal").write_parquet(path)
    return SplitFile(path, MIXED)


def both(file: SplitFile) -> list[Rows]:
    return [file.load(), open_stream(file, 10**6, CPU)]


def test_a_missing_label_is_nan(tmp_path: Path) -> None:
    expected = [[1, 2, None], [None, 0, 0.5], [0, None, None], [None, None, -1.25], [1, 1, 0]]
    for rows in both(written(tmp_path)):
        found = [[None if math.isnan(x) else x for x in row] for row in rows.labels.tolist()]
        assert found == expected
        assert rows.labels.dtype == torch.float32
        assert rows.partly_labelled


@pytest.mark.parametrize(
    ("task", "kinds", "outputs", "dtype", "numbers", "labels"),
    [
        (0, (), (), torch.uint8, [0, 2, 4], [1, 0, 1]),
        (1, ("classes",), (3,), torch.float32, [0, 1, 4], [2, 0, 1]),
        (2, ("regression",), (), torch.float32, [1, 3, 4], [0.5, -1.25, 0]),
    ],
)
def test_a_task_has_only_its_labelled_rows(
    tmp_path: Path,
    task: int,
    kinds: tuple[str, ...],
    outputs: tuple[int, ...],
    dtype: torch.dtype,
    numbers: list[int],
    labels: list[float],
) -> None:
    for rows in both(written(tmp_path)):
        found = rows.task(task)
        assert (found.kinds, found.outputs, found.partly_labelled) == (kinds, outputs, False)
        assert found.labels.dtype == dtype
        assert found.labels.flatten().tolist() == labels
        (batch,) = found.in_order(10)
        assert batch.sparse.flatten().tolist() == numbers


@settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(*[st.one_of(st.none(), st.integers(0, 1))] * 3),
        min_size=1,
        max_size=40,
    )
)
def test_a_stream_has_the_rows_of_memory(
    tmp_path: Path, pattern: list[tuple[int | None, ...]]
) -> None:
    labels = pl.DataFrame(pattern, schema=LABELS.schema, orient="row")
    held, streamed = both(written(tmp_path, labels))
    assert torch.equal(bits(everything(held, 7)), bits(everything(streamed, 7)))
    labelled = (~held.labels.isnan()).any(0).nonzero().flatten()
    for task in labelled.tolist():
        assert torch.equal(everything(held.task(task), 7), everything(streamed.task(task), 7))


def bits(values: Tensor) -> Tensor:
    return values.nan_to_num(nan=-1e9)


def test_joined_batches_keep_what_is_known_of_the_labels(tmp_path: Path) -> None:
    rows = written(tmp_path).load()
    again = joined([rows.part(0, 2), rows.part(2, 5)])
    assert (again.kinds, again.outputs, again.partly_labelled) == (
        rows.kinds,
        rows.outputs,
        True,
    )


def test_a_missing_label_is_refused_where_the_schema_knows_of_none(tmp_path: Path) -> None:
    file = written(tmp_path)
    complete = SplitFile(file.path, replace(MIXED, partly_labelled=False))
    with pytest.raises(DataError, match="label:click lacks values"):
        complete.load()


def test_row_bytes_is_the_size_of_the_tensors(tmp_path: Path) -> None:
    rows = written(tmp_path).load()
    assert MIXED.row_bytes * 5 == sum(x.nbytes for x in (rows.dense, rows.sparse, rows.labels))


def partly(schema: Schema) -> Schema:
    split = Split(4, {"t0": 0.5, "t1": 0.5}, labelled={"t0": 4, "t1": 3})
    return replace(schema, splits={"train": split})


def test_columns_follow_the_schema(tmp_path: Path) -> None:
    assert not columns_of(SCHEMA).partly_labelled
    assert columns_of(partly(SCHEMA)).label_type == torch.float32
    classes = replace(SCHEMA, kinds={"t0": "binary", "t1": "classes"}, classes={"t1": ("a", "b")})
    assert columns_of(classes).outputs == (1, 2)


def test_the_label_of_one_binary_task_is_loaded_as_before(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    frame = {"x": [0.0, 1], "y": [0.0, 1], "id": [0, 1], "label:t0": [0, 1], "label:t1": [1, 0]}
    pl.DataFrame(frame).write_parquet(path)
    assert load_split(path, SCHEMA).labels.dtype == torch.uint8


def test_columns_of_the_logits() -> None:
    logits = torch.arange(10.0).view(2, 5)
    parts = split_outputs(logits, (1, 3, 1))
    assert [part.shape for part in parts] == [(2, 1), (2, 3), (2, 1)]
    assert all(torch.equal(logits[:, output_columns((1, 3, 1), t)], parts[t]) for t in range(3))
    assert [part.shape for part in split_outputs(logits, ())] == [(2, 1)] * 5
    assert output_columns((), 3) == slice(3, 4)


def test_rows_without_missing_labels_are_the_same_tensors() -> None:
    rows = RowTensors(torch.ones(3, 1), torch.ones(3, 1), torch.tensor([[0.0], [1], [0]]))
    of_task = replace(rows, partly_labelled=True).task(0)
    assert of_task.dense is rows.dense
    assert of_task.labels.flatten().tolist() == [0, 1, 0]
