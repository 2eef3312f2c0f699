from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from emm.core.errors import DataError
from emm.data.reading import text_file
from emm.data.reading.delimited import read_delimited
from tests.data.reading.delimited_text import Seen, read


def test_values_are_stripped_and_quotes_are_plain_text(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, '1, "x, y \n2, ?,\tz\n')
    assert rows == [("1", '"x', "y", 1), ("2", "?", "z", 2)]


@pytest.mark.parametrize("piece", range(1, 9))
def test_blanks_at_the_edge_of_a_piece_of_a_block_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr("emm.data.reading.malformed._PIECE", piece)
    for text in ("ab,c ,d\n", "ab, c,d\n", "ab,c,d \n", " ab,c,d\n"):
        assert read(tmp_path, text)[0] == [("ab", "c", "d", 1)]
    assert read(tmp_path, "ab,c c,d\n")[0] == [("ab", "c c", "d", 1)]
    assert read(tmp_path, "ab,c,d\n\nab,c,d\n")[1].records == [(2, "an empty line")]


@pytest.mark.parametrize("blank", ["\u00a0", "\u2003", "\t"])
def test_other_whitespace_around_values_is_stripped(tmp_path: Path, blank: str) -> None:
    assert read(tmp_path, f"ab,{blank}c{blank},d\n".encode())[0] == [("ab", "c", "d", 1)]


def test_windows_line_ends_and_a_missing_last_line_end_are_accepted(tmp_path: Path) -> None:
    rows, rejected = read(tmp_path, "1,2,3\r\n4,5,6")
    assert rows == [("1", "2", "3", 1), ("4", "5", "6", 2)]
    assert rejected.count == 0


def test_empty_and_blank_values_are_null(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, "1,,3\n , ,\n,,\r\n")
    assert rows == [("1", None, "3", 1), (None,) * 3 + (2,), (None,) * 3 + (3,)]


def test_short_long_and_empty_lines_are_rejected_with_their_line_numbers(tmp_path: Path) -> None:
    rows, rejected = read(tmp_path, "1,2,3\n1,2\n1,2,3,4\n\n4,5,6\n")
    assert rows == [("1", "2", "3", 1), ("4", "5", "6", 5)]
    assert rejected.records == [
        (2, "2 fields instead of 3"),
        (3, "4 fields instead of 3"),
        (4, "an empty line"),
    ]
    assert (rejected.lines, rejected.count) == (5, 3)


@pytest.mark.parametrize("control", ["\x00", "\x01", "\x1f", "\r"])
def test_a_control_character_is_rejected(tmp_path: Path, control: str) -> None:
    rows, rejected = read(tmp_path, f"1,2,3\n4,{control}5,6\n7,8,9\n")
    assert [row[-1] for row in rows] == [1, 3]
    assert rejected.records == [(2, "a control character")]


def test_control_characters_that_belong_to_the_format_are_values(tmp_path: Path) -> None:
    rows, rejected = read(tmp_path, "1,x\x01y\x02,3\n4,\x03,\x00\n", controls="\x01\x02\x03")
    assert rows == [("1", "x\x01y\x02", "3", 1)]
    assert rejected.records == [(2, "a control character")]


def test_lines_that_are_not_utf8_are_rejected_and_others_kept(tmp_path: Path) -> None:
    rows, rejected = read(tmp_path, "1,é,3\n".encode() + b"4,\xe9,6\n")
    assert rows == [("1", "é", "3", 1)]
    assert rejected.records == [(2, "bytes that aren't UTF-8")]


def test_the_separator_may_be_a_tab(tmp_path: Path) -> None:
    assert read(tmp_path, "1\t2,2\t\n", separator="\t")[0] == [("1", "2,2", None, 1)]


def test_a_byte_order_mark_is_not_part_of_the_first_value(tmp_path: Path) -> None:
    assert read(tmp_path, "\ufeff1,2,3\n")[0] == [("1", "2", "3", 1)]


def test_a_header_may_name_the_columns_in_any_order(tmp_path: Path) -> None:
    rows, rejected = read(tmp_path, "\ufeffc,x,a,b\r\n3,0,1,2\r\n6,0,4,5\r\n", header=True)
    assert rows == [("1", "2", "3", 2), ("4", "5", "6", 3)]
    assert rejected.lines == 2


def test_lines_must_have_as_many_fields_as_the_header(tmp_path: Path) -> None:
    rows, rejected = read(tmp_path, "c,x,a,b\n1,2,3\n3,0,1,2\n", header=True)
    assert rows == [("1", "2", "3", 3)]
    assert rejected.records == [(2, "3 fields instead of 4")]


@pytest.mark.parametrize(
    ("text", "header", "message"),
    [
        ("a,c,x\n1,2,3\n", True, "lacks b"),
        ("a,b,c\n", True, "has no rows"),
        ("\ufeffa,b,c\n1,2,3\n", False, "has a header, but"),
    ],
)
def test_an_unsuitable_first_line_is_an_error(
    tmp_path: Path, text: str, header: bool, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, text, header=header)


def test_a_missing_file_is_an_error_before_the_first_row(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is missing"):
        read_delimited(tmp_path / "none", ("a",), ",", Seen())


def test_a_different_separator_is_suggested(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="1 fields instead of 3; 3 fields with the separator ';'"):
        read(tmp_path, "1;2;3\n4;5;6\n")


def test_a_later_block_without_a_good_line_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_file, "BLOCK_BYTES", 6)
    rows, rejected = read(tmp_path, "1,2,3\n1;2;3\n4,5,6\n")
    assert [row[-1] for row in rows] == [1, 3]
    assert rejected.count == 1


def test_a_line_that_is_too_long_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_file, "BLOCK_BYTES", 8)
    monkeypatch.setattr(text_file, "MAX_LINE_BYTES", 32)
    with pytest.raises(DataError, match="more than 32 bytes"):
        read(tmp_path, "1,2," + "x" * 100)


VALUES = st.text(alphabet='ab1 ,"\r\t\x00é', max_size=4)
LINES = st.lists(st.lists(VALUES, min_size=1, max_size=4).map(",".join), min_size=1, max_size=12)


def plain(line: str) -> list[str] | None:
    """The three values of a line as Python splits it, or None."""
    values = line.split(",")
    usable = not any(character in line for character in "\r\x00") and len(values) == 3
    return values if usable else None


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40
)
@given(lines=LINES, block=st.sampled_from([6, 20, 1000]), ends=st.sampled_from(["\n", "\r\n"]))
@example(lines=["1,2,3", "1,2", "4,5,6"], block=6, ends="\n")
def test_values_never_shift_to_another_column(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str], block: int, ends: str
) -> None:
    monkeypatch.setattr(text_file, "BLOCK_BYTES", block)
    monkeypatch.setattr(text_file, "MAX_LINE_BYTES", 1000)
    expected = [
        (*(value.strip() or None for value in values), number)
        for number, line in enumerate(lines, start=2)
        # A carriage return before a bare line feed is part of the line end.
        if (values := plain(line.removesuffix("\r") if ends == "\n" else line)) is not None
    ]
    rows, rejected = read(tmp_path, ends.join(["0,0,0", *lines]) + ends)
    assert rows[1:] == expected
    assert (rejected.lines, rejected.count) == (len(lines) + 1, len(lines) - len(expected))
