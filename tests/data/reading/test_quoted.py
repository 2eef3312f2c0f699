"""Quoted values: RFC 4180, line breaks in values, and malformed records."""

from pathlib import Path

import pytest

from emm.data.reading import quoted, text_file
from tests.data.reading.delimited_text import MISPLACED, read, read_quoted


def numbers(tmp_path: Path, text: str) -> tuple[list[str | int | None], list[int]]:
    """Line numbers of the good and of the rejected records."""
    rows, rejected = read_quoted(tmp_path, text)
    assert rejected.lines == len(rows) + rejected.count
    return [row[-1] for row in rows], [number for number, _ in rejected.records]


def test_quoted_values_may_contain_separators_and_doubled_quotes(tmp_path: Path) -> None:
    rows, rejected = read_quoted(tmp_path, '1,"2,2",3\n4,5,"6 ""six"""\n"","",x\n"""",",",7\n')
    assert rows == [
        ("1", "2,2", "3", 1),
        ("4", "5", '6 "six"', 2),
        (None, None, "x", 3),
        ('"', ",", "7", 4),
    ]
    assert rejected.count == 0


def test_a_line_break_within_quotes_belongs_to_the_value(tmp_path: Path) -> None:
    text = '1,"first line\ninvented,33,Z\nlast line",x\n2,y,z\n'
    rows, rejected = read_quoted(tmp_path, text)
    assert rows == [("1", "first line\ninvented,33,Z\nlast line", "x", 1), ("2", "y", "z", 4)]
    assert (rejected.lines, rejected.count) == (2, 0)


def test_records_may_end_with_a_carriage_return_and_values_contain_one(tmp_path: Path) -> None:
    rows, rejected = read_quoted(tmp_path, '1,"a\r\nb","c"\r\n2,"d\re",f\r\n3,g,"h"')
    assert rows == [("1", "a\r\nb", "c", 1), ("2", "d\re", "f", 3), ("3", "g", "h", 4)]
    assert rejected.count == 0


def test_blanks_around_a_quoted_value_do_not_belong_to_it(tmp_path: Path) -> None:
    rows, _ = read_quoted(tmp_path, '1, "2, two" , "a ""b"", c"\n 4,\t"5\n5" ,6\n7,8,9\n')
    assert rows == [
        ("1", "2, two", 'a "b", c', 1),
        ("4", "5\n5", "6", 2),
        ("7", "8", "9", 4),
    ]


def test_a_blank_may_separate_values(tmp_path: Path) -> None:
    rows, _ = read_quoted(tmp_path, '1 "2 ""two""\nb" 3\n4 "" 6\n', separator=" ")
    assert rows == [("1", '2 "two"\nb', "3", 1), ("4", None, "6", 3)]


def test_the_header_may_have_quoted_names(tmp_path: Path) -> None:
    text = '"a, all",b,"c\n""d"""\n1,2,3\n'
    columns = ('c\n"d"', "a, all")
    rows, _ = read(tmp_path, text, columns, header=True, quotes=True)
    assert rows == [("3", "1", 3)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('1,"2,3', MISPLACED),
        ('1,"2,"",3', MISPLACED),
        ('1,2"x,y"2,3', MISPLACED),
        ('1,5" pipe,3', MISPLACED),
        ('1,"2"x,3', MISPLACED),
        ('"1,2,3', MISPLACED),
        ('1,2,3"', MISPLACED),
        ('1,"2,2",3,4', "4 fields instead of 3"),
        ('1,"2,3"', "2 fields instead of 3"),
        ('1,"\x00",3', "a control character"),
        ('1,"2",3\r4', "a control character"),
    ],
)
@pytest.mark.parametrize("others", ['1,2,3\n{}\n4,5,6\n7,"8",9\n', '1,"2",3\n{}\n4,5,6\n7,8,"9"\n'])
def test_a_malformed_line_is_rejected_alone(
    tmp_path: Path, line: str, reason: str, others: str
) -> None:
    rows, rejected = read_quoted(tmp_path, others.format(line))
    assert [row[-1] for row in rows] == [1, 3, 4]
    assert rejected.records == [(2, reason)]


def test_bytes_that_are_not_utf8_reject_their_record_only(tmp_path: Path) -> None:
    text = '1,"é\nb",3\n'.encode() + b'4,"\xe9\nb",6\n7,8,9\n'
    rows, rejected = read_quoted(tmp_path, text)
    assert [row[-1] for row in rows] == [1, 5]
    assert rejected.records == [(3, "bytes that aren't UTF-8")]


def test_the_lines_of_a_malformed_text_never_become_rows(tmp_path: Path) -> None:
    text = '1,2,3\n4,"a "quoted" word\ninvented,33,Z\ninvented,34,Z\nlast",6\n7,8,9\n'
    assert numbers(tmp_path, text) == ([1, 6], [2, 3, 4, 5])
    text = '1,2,3\n4,"well formed\ninvented,33,Z",6,7\n7,8,9\n'
    assert numbers(tmp_path, text) == ([1, 4], [2])


def test_a_record_with_a_faulty_quote_after_a_line_break_is_rejected_as_a_whole(
    tmp_path: Path,
) -> None:
    text = '1,"a\nb,c,d",5" pipe\n2,"e\nf",g\n'
    assert numbers(tmp_path, text) == ([3], [1, 2])


def test_after_a_quote_that_is_never_closed_reading_resumes_at_the_next_line(
    tmp_path: Path,
) -> None:
    good = [f"{number},a,b" for number in range(50)]
    text = "\n".join([*good, '50,"open,b', *good, "51,b", *good])
    rows, rejected = read_quoted(tmp_path, text)
    assert [row[-1] for row in rows] == [*range(1, 51), *range(52, 102), *range(103, 153)]
    assert rejected.records == [(51, MISPLACED), (102, MISPLACED)]


def test_a_text_that_is_cut_off_is_rejected_with_all_of_its_lines(tmp_path: Path) -> None:
    assert numbers(tmp_path, '1,2,3\n4,"a text\nof two lines') == ([1], [2, 3])


def test_a_value_that_is_too_long_is_not_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quoted, "MAX_QUOTED_BYTES", 40)
    good = [f"{number},a,b" for number in range(20)]
    text = "\n".join([*good, '20,"open,b', *good, '21,"c\nd",e', '22,"f",g'])
    rows, _ = read_quoted(tmp_path, text)
    assert [row[-1] for row in rows] == [*range(1, 21), *range(22, 43), 44]


def test_a_value_may_span_blocks_of_real_size(tmp_path: Path) -> None:
    filler = 'aaaaaaaa,"b ""b"" ,",c\n' * (text_file.BLOCK_BYTES // 22 - 3)
    long = "text,\n" * 20_000
    rows, rejected = read_quoted(tmp_path, f'{filler}1,"{long}",2\n3,"4",5\n')
    count = filler.count("\n")
    assert len(rows) == count + 2
    assert rows[count:] == [
        ("1", long.strip(), "2", count + 1),
        ("3", "4", "5", count + 20_001 + 1),
    ]
    assert {*rows[:count]} == {
        ("aaaaaaaa", 'b "b" ,', "c", number) for number in range(1, count + 1)
    }
    assert rejected.count == 0
