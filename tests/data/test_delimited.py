from pathlib import Path

import pytest

from emm.core.errors import DataError
from emm.data.delimited import read_delimited


def scan(tmp_path: Path, text: str) -> list[tuple[str | None, ...]]:
    path = tmp_path / "raw.csv"
    path.write_bytes(text.encode())
    return read_delimited(path, ("a", "b", "c"), ",").collect().rows()


def test_values_are_stripped_and_quotes_are_plain_text(tmp_path: Path) -> None:
    assert scan(tmp_path, '1, "x, y \n2, ?,z\n') == [("1", '"x', "y"), ("2", "?", "z")]


def test_windows_line_ends_and_a_missing_last_one(tmp_path: Path) -> None:
    assert scan(tmp_path, "1,2,3\r\n4,5,6") == [("1", "2", "3"), ("4", "5", "6")]


def test_an_empty_field_is_null(tmp_path: Path) -> None:
    assert scan(tmp_path, "1,,3\n") == [("1", None, "3")]


@pytest.mark.parametrize(
    ("text", "line", "fields"),
    [
        ("1,2,3\n1,2\n", 2, "2 fields"),
        ("1,2,3\n1,2,3,4\n", 2, "4 fields"),
        ("1;2;3\n", 1, "1 fields"),
        ("1,2,3\n\n1,2,3\n", 2, "1 fields"),
    ],
)
def test_a_line_of_another_length_is_named(
    tmp_path: Path, text: str, line: int, fields: str
) -> None:
    with pytest.raises(DataError, match=f"(?s)line {line}\n.*got: {fields}"):
        scan(tmp_path, text)


def test_an_empty_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is empty"):
        scan(tmp_path, "")


def test_an_absent_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="isn't there"):
        read_delimited(tmp_path / "none", ("a",), ",")
