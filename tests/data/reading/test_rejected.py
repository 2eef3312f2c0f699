import json
from pathlib import Path

import polars as pl
import pytest

from emm.core.errors import DataError
from emm.data.reading import rejected
from emm.data.reading.rejected import Rejected


def test_more_than_max_share_is_an_error_that_shows_the_first_line(tmp_path: Path) -> None:
    lines = Rejected("shop", 0.01)
    lines.seen(100)
    lines.add("a.csv", [7, 9], pl.Series(["short", "long"]), pl.Series(["x,y", "x,y,z"]))
    with pytest.raises(DataError, match=r"(?s)shop: short.*a.csv, line 7\n.*2 of 100 lines"):
        lines.check(tmp_path / "r.jsonl")


def test_up_to_max_share_is_reported(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    lines = Rejected("shop", 0.02)
    lines.seen(100)
    lines.add("a.csv", [7, 9], "short")
    lines.check(tmp_path / "r.jsonl")
    assert "rejected 2 of 100 lines" in capfd.readouterr().err


def test_records_are_json_with_truncated_text(tmp_path: Path) -> None:
    lines = Rejected("shop", 1.0)
    lines.add("a.csv", pl.Series([7]), "short", pl.Series(["é" * 999]))
    lines.write(tmp_path / "r.jsonl")
    record = json.loads((tmp_path / "r.jsonl").read_text(encoding="utf-8"))
    assert record == {
        "file": "a.csv",
        "line": 7,
        "reason": "short",
        "text": "é" * rejected.MAX_TEXT,
    }


def test_records_are_bounded_but_all_lines_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejected, "MAX_RECORDS", 3)
    lines = Rejected("shop", 1.0)
    for number in range(5):
        lines.add("a.csv", [number], "short")
    lines.write(tmp_path / "r.jsonl")
    assert lines.count == 5
    assert len((tmp_path / "r.jsonl").read_text().splitlines()) == 3
