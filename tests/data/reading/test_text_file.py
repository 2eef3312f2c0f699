import gzip
import io
import zipfile
from pathlib import Path

import pytest

from emm.core.errors import DataError
from emm.data.reading.text_file import (
    expect_header,
    expect_no_header,
    first_line,
    split_values,
)

COLUMNS = ("user", "item", "time")
PATH = Path("raw.csv")


def read_first(tmp_path: Path, data: bytes) -> tuple[int, str]:
    path = tmp_path / "raw.csv"
    path.write_bytes(data)
    return first_line(path, "raw.csv")


@pytest.mark.parametrize(
    ("data", "start"),
    [(b"a,b\n1,2\n", 4), (b"a,b\r\n1,2", 5), (b"\xef\xbb\xbfa,b\n1", 7), (b"a,b", 3)],
)
def test_the_first_line_has_no_bom_and_no_line_end(tmp_path: Path, data: bytes, start: int) -> None:
    assert read_first(tmp_path, data) == (start, "a,b")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"\n1,2\n", "starts with an empty line"),
    ],
)
def test_an_empty_file_or_first_line_is_an_error(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_first(tmp_path, data)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is missing"):
        first_line(tmp_path / "none", "none")


def zipped(data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("raw.csv", data)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (gzip.compress(b"1,2,3\n", mtime=0), "a gzip file"),
        (zipped(b"1,2,3\n"), "a zip file"),
        ("\ufeff1,2,3\n".encode("utf-16-le"), "text in UTF-16"),
    ],
)
def test_the_format_of_a_file_that_is_not_text_is_named(
    tmp_path: Path, data: bytes, what: str
) -> None:
    with pytest.raises(DataError, match=what):
        read_first(tmp_path, data)


def test_the_values_of_a_line_may_be_quoted() -> None:
    assert split_values('a, "b, ""c""" ,d', ",", quotes=True) == ["a", 'b, "c"', "d"]
    assert split_values('a, "b, c",d', ",", quotes=False) == ["a", "b", "c", "d"]


def test_a_line_with_a_very_long_value_has_values_too() -> None:
    assert split_values(f"{'x' * 200_000},b", ",", quotes=True) == ["x" * 200_000, "b"]


def test_a_header_may_have_more_columns_in_any_order() -> None:
    expect_header(PATH, ["time", "extra", "item", "extra", "user"], COLUMNS)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["user", "time"], "lacks item"),
        (["1", "2", "3"], "lacks user, item, time"),
        (["user", "item", "time", "user"], "has 'user' more than once"),
    ],
)
def test_a_header_with_missing_or_repeated_columns_is_an_error(
    names: list[str], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        expect_header(PATH, names, COLUMNS)


def test_a_repeated_column_is_named_with_its_places() -> None:
    with pytest.raises(DataError) as error:
        expect_header(PATH, ["user", "item", "time", "user"], COLUMNS)
    assert "got: 'user' as columns 1 and 4\n  expected: each name once" in str(error.value)


@pytest.mark.parametrize("names", [[*COLUMNS], ["User", "ITEM", "time"], ["item", "user", "when"]])
def test_an_unexpected_header_is_an_error(names: list[str]) -> None:
    with pytest.raises(DataError, match="has a header, but"):
        expect_no_header(PATH, names, COLUMNS)


@pytest.mark.parametrize("names", [["1", "2", "3"], ["user", "7", "8"]])
def test_values_are_not_taken_for_a_header(names: list[str]) -> None:
    expect_no_header(PATH, names, COLUMNS)
