"""Text files in other encodings than UTF-8."""

from pathlib import Path

import pytest

from emm.core.errors import DataError
from emm.data.reading import encodings, text_file
from tests.data.reading.delimited_text import Row, read

COLUMNS = ("x", "y", "z")
TEXT = 'x,y,z\r\n1,"é\r\nß",3\r\n4,ÿ,6\r\n'
ROWS: list[Row] = [("1", "é\r\nß", "3", 2), ("4", "ÿ", "6", 4)]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1", "cp1252", "UTF8"]
)
@pytest.mark.parametrize("piece", [3, 1000])
def test_every_encoding_gives_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str, piece: int
) -> None:
    monkeypatch.setattr(text_file, "BLOCK_BYTES", piece)
    monkeypatch.setattr(encodings, "_READ_BYTES", piece)
    rows, rejected = read(
        tmp_path, TEXT.encode(encoding), COLUMNS, header=True, quotes=True, encoding=encoding
    )
    assert rows == ROWS
    assert rejected.count == 0


def test_a_byte_order_mark_belongs_to_no_name(tmp_path: Path) -> None:
    for text, encoding in ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le")):
        data = text + TEXT.encode(encoding)
        rows, _ = read(tmp_path, data, COLUMNS, header=True, quotes=True, encoding=encoding)
        assert rows == ROWS


def test_utf16_without_the_setting_names_the_line_to_write(tmp_path: Path) -> None:
    for encoding in ("utf-8", "UTF8"):
        with pytest.raises(DataError, match="write `encoding: utf-16` in the section custom"):
            read(tmp_path, TEXT.encode("utf-16"), COLUMNS, header=True, encoding=encoding)


def test_text_in_another_encoding_than_the_setting_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"raw\.csv isn't text in ascii"):
        read(tmp_path, TEXT.encode("latin-1"), COLUMNS, header=True, encoding="ascii")
