"""Write delimited text and read it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emm.data.reading.chunks import LINE
from emm.data.reading.delimited import read_delimited
from emm.data.reading.rejected import Rejected

Row = tuple[str | int | None, ...]
COLUMNS = ("left", "middle", "right")
MISPLACED = "a quote within a value, or one that is missing"


class Seen(Rejected):
    """Records line numbers and reasons as tuples."""

    def __init__(self) -> None:
        super().__init__("tiny", 1.0)
        self.records: list[tuple[int, str]] = []

    def add(self, file: str, lines: Any, reason: Any, texts: Any = None) -> None:
        super().add(file, lines, reason, texts)
        reasons = [reason] * len(lines) if isinstance(reason, str) else list(reason)
        self.records.extend(zip(list(lines), reasons, strict=True))


def read(
    tmp_path: Path, text: str | bytes, columns: Sequence[str] = ("a", "b", "c"), **how: Any
) -> tuple[list[Row], Seen]:
    """Rows, with the line number last, and the rejected lines."""
    path = tmp_path / "raw.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    rejected = Seen()
    how = {"separator": ","} | how
    chunks = list(read_delimited(path, columns, rejected=rejected, **how))
    assert all(chunk.file == "raw.csv" for chunk in chunks)
    assert all(chunk.rows.columns == [*columns, LINE] for chunk in chunks)
    return [row for chunk in chunks for row in chunk.rows.rows()], rejected


def read_quoted(tmp_path: Path, text: str | bytes, separator: str = ",") -> tuple[list[Row], Seen]:
    return read(tmp_path, text, COLUMNS, quotes=True, separator=separator)
