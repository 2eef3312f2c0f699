from pathlib import Path

import polars as pl
import pytest
import torch

from emm.core.errors import DataError
from emm.data.tables import memory
from emm.data.tables.memory import GIB, allocate, free_bytes, open_splits
from emm.data.tables.names import GROUP, GROUPS
from emm.data.tables.rows import RowTensors
from emm.data.tables.stream import Stream
from tests.data.tables.streamed import CPU, everything
from tests.training.tiny import SCHEMA, save_processed

NAMES = ("train", "validation")


@pytest.mark.parametrize(
    ("train", "validation", "budget", "expected"),
    [
        (60, 40, 100, {"train": None, "validation": None}),
        (60, 41, 100, {"train": 59, "validation": None}),
        (60, 50, 100, {"train": 50, "validation": None}),
        (60, 51, 100, {"train": 50, "validation": 50}),
        (51, 60, 100, {"train": 50, "validation": 50}),
        (10, 300, 100, {"train": None, "validation": 90}),
    ],
)
def test_the_budget_determines_which_splits_are_held(
    train: int, validation: int, budget: int, expected: dict[str, int | None]
) -> None:
    assert allocate({"train": train, "validation": validation}, budget) == expected


@pytest.fixture
def processed(tmp_path: Path) -> Path:
    save_processed(tmp_path / "processed")
    return tmp_path / "processed"


ROW = 4 + 4 + 4 + 2  # bytes of two dense columns, one sparse and two labels; rows: 150 and 120
GROUPS_OF_TRAIN = 150 * 4


def test_splits_that_fit_are_held_without_a_message(
    processed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    splits = open_splits(
        processed, NAMES, SCHEMA, CPU, memory_gib=(270 * ROW + GROUPS_OF_TRAIN) / GIB
    )
    assert [type(splits[name]) for name in NAMES] == [RowTensors, RowTensors]
    assert capsys.readouterr().err == ""


def test_a_split_that_does_not_fit_is_streamed_with_a_message(
    processed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    splits = open_splits(processed, NAMES, SCHEMA, CPU, memory_gib=269 * ROW / GIB)
    assert [type(splits[name]) for name in NAMES] == [Stream, RowTensors]
    assert splits["train"].memory == 149 * ROW  # type: ignore[attr-defined]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("train is streamed: ")


def test_a_split_has_the_same_rows_in_memory_and_streamed(processed: Path) -> None:
    held, streamed = (
        open_splits(processed, NAMES, SCHEMA, CPU, weighted=("train",), memory_gib=gib)
        for gib in (1.0, 30 * ROW / GIB)
    )
    for name in NAMES:
        assert isinstance(streamed[name], Stream)
        assert torch.equal(everything(streamed[name]), everything(held[name]))
    assert held["train"].weights is not None
    assert held["validation"].weights is None


def test_train_has_its_groups_in_memory_and_streamed(processed: Path) -> None:
    groups = torch.arange(150).int() // 2
    pl.DataFrame({GROUP: groups.numpy()}).write_parquet(processed / GROUPS)
    for gib in (1.0, 30 * ROW / GIB):
        splits = open_splits(processed, NAMES, SCHEMA, CPU, memory_gib=gib)
        assert splits["train"].groups is not None
        assert torch.equal(splits["train"].groups, groups)
        assert splits["validation"].groups is None


@pytest.mark.parametrize("values", [[0] * 149, [0] * 151, [*[0] * 149, None], [0.5] * 150])
def test_groups_that_do_not_fit_train_are_an_error(
    processed: Path, values: list[float | None]
) -> None:
    kind = pl.Float64 if 0.5 in values else pl.Int32
    pl.DataFrame({GROUP: pl.Series(values, dtype=kind)}).write_parquet(processed / GROUPS)
    with pytest.raises(DataError, match="doesn't belong to train"):
        open_splits(processed, NAMES, SCHEMA, CPU)


def test_missing_groups_are_an_error(processed: Path) -> None:
    (processed / GROUPS).unlink()
    with pytest.raises(DataError, match=r"groups\.parquet can't be read"):
        open_splits(processed, NAMES, SCHEMA, CPU)


def test_two_thirds_of_free_memory_are_used_by_default(
    processed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for free, kind in ((270 * ROW, Stream), (405 * ROW + 2 * GROUPS_OF_TRAIN, RowTensors)):
        monkeypatch.setattr(memory, "free_bytes", lambda _device, free=free: free)
        assert type(open_splits(processed, NAMES, SCHEMA, CPU)["train"]) is kind


def test_free_memory_is_read_from_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "CONTAINER", tmp_path / "memory.max")
    without = free_bytes(CPU)
    assert without > 0
    (tmp_path / "meminfo").write_text("MemTotal: 99 kB\nMemAvailable:   70 kB\n")
    assert free_bytes(CPU) == 70 * 1024
    (tmp_path / "memory.max").write_text("max\n")
    assert free_bytes(CPU) == 70 * 1024
    (tmp_path / "memory.max").write_text("2048\n")
    assert free_bytes(CPU) == 2048


def test_free_memory_of_a_gpu_is_used_if_it_is_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (5, 10**15))
    assert free_bytes(torch.device("cuda")) == 5


def test_a_missing_split_is_an_error(processed: Path) -> None:
    with pytest.raises(DataError, match=r"test\.parquet can't be read"):
        open_splits(processed, ("test",), SCHEMA, CPU)
