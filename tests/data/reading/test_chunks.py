import polars as pl

from emm.data.reading.chunks import LINE, Chunk, without_faults
from emm.data.reading.rejected import Rejected


class Seen(Rejected):
    def __init__(self) -> None:
        super().__init__("tiny", 1.0)
        self.found: list[tuple[object, ...]] = []

    def add(self, file, lines, reason, texts=None):  # type: ignore[no-untyped-def]
        super().add(file, lines, reason, texts)
        self.found.extend(zip(lines, reason, texts, strict=True))


CHUNK = Chunk("raw.csv", pl.DataFrame({"a": [1, 2, None, 4], "b": "wxyz", LINE: [3, 5, 6, 9]}))


def test_a_row_is_rejected_with_the_first_fault_that_is_true_or_null() -> None:
    rejected = Seen()
    faults = {"small": pl.col("a") < 2, "not four": pl.col("a") != 4}
    rows = without_faults(CHUNK, faults, rejected)
    assert rows.rows() == [(4, "wxyz", 9)]
    assert rejected.found == [
        (3, "small", "1,wxyz"),
        (5, "not four", "2,wxyz"),
        (6, "small", ",wxyz"),
    ]


def test_rows_without_faults_are_unchanged() -> None:
    rejected = Seen()
    rows = without_faults(CHUNK, {"large": pl.col("b") == "?"}, rejected)
    assert rows.equals(CHUNK.rows)
    assert rejected.count == 0
