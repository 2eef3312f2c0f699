import argparse
from pathlib import Path

import polars as pl
import pytest
import torch

from benchmarks.ali_ccp_rows import schema, tensors, write
from benchmarks.results import save
from benchmarks.scale import Measured, _earlier, _environments, _in_order, _record
from emm.data.tables.memory import open_splits
from emm.data.tables.rows import RowTensors


def test_one_process_has_nothing_to_connect_to() -> None:
    assert _environments(1) == [{}]


def test_processes_meet_at_one_port() -> None:
    first, second = _environments(2)
    assert (first.pop("RANK"), second.pop("RANK")) == ("0", "1")
    assert (first.pop("LOCAL_RANK"), second.pop("LOCAL_RANK")) == ("0", "1")
    assert first == second
    assert first["WORLD_SIZE"] == "2"


def test_processor_time_is_that_of_a_row() -> None:
    run = Measured("emm", 2_000_000, 2, 5.0, 8.0, 1.0, 0.5)
    assert run.microseconds == pytest.approx(4.0)


OPTIONS = argparse.Namespace(
    threads=2, batch_size=8, optimiser="adam", ids=300, memory_gib=1.0, out=Path()
)


def test_earlier_runs_are_kept_in_order(tmp_path: Path) -> None:
    many = Measured("mmoe", 9, 1, 5.0, 8.0, 1.0, 0.5)
    few = Measured("emm", 4, 2, 5.0, 8.0, 1.0, 0.5)
    options = argparse.Namespace(**vars(OPTIONS) | {"out": tmp_path / "found.json"})
    assert _earlier(options) == []
    save(options.out, "scale", _record(options, [many]))
    assert _in_order([*_earlier(options), few]) == [few, many]


def test_runs_with_other_settings_are_not_mixed(tmp_path: Path) -> None:
    options = argparse.Namespace(**vars(OPTIONS) | {"out": tmp_path / "found.json"})
    save(options.out, "scale", _record(options, []))
    options.batch_size = 16
    with pytest.raises(SystemExit, match="other settings"):
        _earlier(options)


def test_written_rows_are_those_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.ali_ccp_rows._BLOCK", 200)  # rows, so that there are three
    write(tmp_path, 500, 300)
    rows = open_splits(tmp_path, ["train"], schema(300), torch.device("cpu"))["train"]
    expected = tensors(500, 300)
    assert isinstance(rows, RowTensors)
    for name in ("dense", "sparse", "labels"):
        assert torch.equal(getattr(rows, name), getattr(expected, name))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["groups.parquet", "train.parquet"]
    assert pl.read_parquet(tmp_path / "groups.parquet").height == 500
