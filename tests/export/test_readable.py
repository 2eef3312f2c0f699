"""Rows that every member from outside can read, and how whole numbers reach it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from emm.core.errors import DataError
from emm.export.golden import golden_rows
from emm.export.members import sent_as
from emm.export.readable import readable_rows
from tests.export.small import raw_rows, small_encoder

ENCODER = small_encoder()


def picky(bad: set[str]) -> Any:
    """A member that can't read some texts."""

    def scores(_: pl.DataFrame, raw: pl.DataFrame) -> np.ndarray:
        found = bad & {*raw["x"]}
        if found:
            raise DataError(f"can't read {found.pop()}")
        return np.zeros((len(raw), 1), np.float32)

    return SimpleNamespace(raw={"x": "text"}, scores=scores)


ROWS = raw_rows(ENCODER, 9).with_columns(x=pl.Series([*"abcabcabd"]))


def test_rows_that_a_member_can_t_read_are_left_out() -> None:
    members = {"m": picky({"a"}), "n": picky({"d"})}
    assert [*readable_rows(ENCODER, ROWS, members)["x"]] == [*"bcbcb"]


def test_all_rows_stay_where_every_member_reads_them() -> None:
    assert readable_rows(ENCODER, ROWS, {"m": picky(set())}).equals(ROWS)


def test_a_member_that_reads_none_says_why() -> None:
    with pytest.raises(DataError, match="can't read"):
        readable_rows(ENCODER, ROWS, {"m": picky({*"abcd"})})


@pytest.mark.parametrize(("largest", "kind"), [(2**53 - 1, "integer"), (2**53 + 1, "text")])
def test_whole_numbers_are_sent_as_text_where_doubles_lose_digits(
    tmp_path: Path, largest: int, kind: str
) -> None:
    (tmp_path / "raw").mkdir()
    pl.DataFrame({"id": [3, None, largest]}).write_parquet(tmp_path / "raw/train.parquet")
    member: Any = SimpleNamespace(raw={"id": "integer"}, processed=tmp_path)
    assert sent_as({"m": member}) == {"id": kind}


def test_golden_whole_numbers_of_members_are_whole() -> None:
    assert golden_rows(ENCODER, 20, {"n": "integer"}).schema["n"] == pl.Int64
