import gzip
import io
import zipfile
from pathlib import Path

import pytest

from emm.core.errors import DataError
from emm.data.reading.first_line import expect_header, expect_no_header, first_line

COLUMNS = ("user", "item", "time")
PATH = Path("raw.csv")


def look(tmp_path: Path, data: bytes) -> tuple[int, str]:
    path = tmp_path / "raw.csv"
    path.write_bytes(data)
    return first_line(path, "raw.csv")


@pytest.mark.parametrize(
    ("data", "start"),
    [(b"a,b\n1,2\n", 4), (b"a,b\r\n1,2", 5), (b"\xef\xbb\xbfa,b\n1", 7), (b"a,b", 3)],
)
def test_the_line_comes_without_mark_and_end(tmp_path: Path, data: bytes, start: int) -> None:
    assert look(tmp_path, data) == (start, "a,b")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"\n1,2\n", "starts with an empty line"),
    ],
)
def test_a_file_without_a_first_line(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        look(tmp_path, data)


def test_an_absent_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="isn't there"):
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
def test_a_file_that_is_not_text_is_named_as_what_it_is(
    tmp_path: Path, data: bytes, what: str
) -> None:
    with pytest.raises(DataError, match=what):
        look(tmp_path, data)


def test_a_header_may_hold_more_and_in_any_order() -> None:
    expect_header(PATH, ["time", "extra", "item", "extra", "user"], COLUMNS)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["user", "time"], "lacks item"),
        (["1", "2", "3"], "lacks user, item, time"),
        (["user", "item", "time", "user"], "has user twice"),
    ],
)
def test_a_header_that_does_not_fit(names: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        expect_header(PATH, names, COLUMNS)


@pytest.mark.parametrize("names", [[*COLUMNS], ["User", "ITEM", "time"], ["item", "user", "when"]])
def test_a_header_where_none_belongs(names: list[str]) -> None:
    with pytest.raises(DataError, match="header where none belongs"):
        expect_no_header(PATH, names, COLUMNS)


@pytest.mark.parametrize("names", [["1", "2", "3"], ["user", "7", "8"]])
def test_values_make_no_header(names: list[str]) -> None:
    expect_no_header(PATH, names, COLUMNS)
