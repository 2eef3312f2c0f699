"""Quoted values of arbitrary files: against Python's csv module, and next to malformed records."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emm.data.reading import quoted, text_file
from tests.data.reading.delimited_text import MISPLACED, Row, read_quoted


def written(rows: Sequence[Sequence[str]], quoting: int, end: str) -> tuple[str, list[Row]]:
    """The rows as Python's csv module writes them, and as they are to be read."""
    text, expected, line = io.StringIO(), list[Row](), 1
    for row in rows:
        start = text.tell()
        csv.writer(text, lineterminator=end, quoting=quoting).writerow(row)  # type: ignore[arg-type]
        expected.append((*(value.strip() or None for value in row), line))
        line += text.getvalue()[start:].count("\n")
    return text.getvalue(), expected


ANY = st.text(alphabet='ab1, "\r\né\t;', max_size=6)
ROWS = st.lists(st.tuples(ANY, ANY, ANY), min_size=1, max_size=12)
HYPOTHESIS = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150
)


@HYPOTHESIS
@given(
    rows=ROWS,
    block=st.sampled_from([1, 7, 30, 1000]),
    # With "\n" as line end, Python writes a lone carriage return without quotes.
    form=st.sampled_from([(csv.QUOTE_MINIMAL, "\r\n"), (csv.QUOTE_ALL, "\n")]),
    last=st.booleans(),
)
def test_what_the_csv_module_writes_is_read(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rows: list[tuple[str, str, str]],
    block: int,
    form: tuple[int, str],
    last: bool,
) -> None:
    monkeypatch.setattr(text_file, "BLOCK_BYTES", block)
    text, expected = written([("x", "y", "z"), *rows], *form)
    found, rejected = read_quoted(tmp_path, text if last else text.removesuffix(form[1]))
    assert found == expected
    assert (rejected.lines, rejected.count) == (len(expected), 0)


SHORT = st.text(alphabet="ab1é", min_size=1, max_size=3)
LINES = st.lists(SHORT, min_size=1, max_size=3).map("\n".join)
QUOTED = st.one_of(LINES, st.tuples(SHORT, SHORT).map(",".join), SHORT.map('"{}"'.format))
MALFORMED = st.sampled_from(
    ['x,"open,y', '"open,x,y', 'x,y,"open', 'x,5" pipe,y', 'x,"a"b,y', 'x,"a "b" c\nd",y', 'x,"a']
)


@HYPOTHESIS
@given(data=st.data(), block=st.sampled_from([1, 7, 30, 1000]), limit=st.sampled_from([20, 1000]))
def test_no_row_is_invented_next_to_malformed_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: st.DataObject, block: int, limit: int
) -> None:
    monkeypatch.setattr(text_file, "BLOCK_BYTES", block)
    monkeypatch.setattr(quoted, "MAX_QUOTED_BYTES", limit)
    row = st.tuples(st.one_of(SHORT, QUOTED), QUOTED, st.one_of(SHORT, QUOTED))
    expected, text, line = [("x", "y", "z", 1)], "x,y,z\n", 2
    for kind in data.draw(st.lists(st.sampled_from(["good", "good", "bad"]), max_size=12)):
        if kind == "bad":
            record = data.draw(MALFORMED) + "\n"
        else:
            values = data.draw(row)
            record, _ = written([values], csv.QUOTE_MINIMAL, "\n")
            expected.append((*values, line))
        text, line = text + record, line + record.count("\n")
    rows, rejected = read_quoted(tmp_path, text)
    assert {*rows} <= {*expected}
    assert all(number < line for number, _ in rejected.records)
    if text.count("\n") == len(text.splitlines()) == rejected.lines:
        assert rejected.count == rejected.lines - len(rows)


@HYPOTHESIS
@given(text=st.text(alphabet='aa,,"" \n\r', max_size=80), limit=st.sampled_from([5, 20, 1000]))
def test_what_is_read_does_not_depend_on_the_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, limit: int
) -> None:
    monkeypatch.setattr(quoted, "MAX_QUOTED_BYTES", limit)
    found = []
    for block in (1, 10, 10_000):
        monkeypatch.setattr(text_file, "BLOCK_BYTES", block)
        rows, rejected = read_quoted(tmp_path, "x,y,z\n" + text)
        found.append((rows, rejected.records, rejected.lines))
    assert found[0] == found[1] == found[2]
    assert [row[-1] for row in found[0][0]] == sorted({row[-1] for row in found[0][0]})


@HYPOTHESIS
@given(data=st.data(), block=st.sampled_from([7, 1000]))
def test_only_the_malformed_lines_are_lost_among_plain_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: st.DataObject, block: int
) -> None:
    monkeypatch.setattr(text_file, "BLOCK_BYTES", block)
    bad = data.draw(MALFORMED.filter(lambda record: "\n" not in record))
    before, after = (data.draw(st.integers(1, 9)) for _ in range(2))
    lines = [*["a,b,c"] * before, bad, *["a,b,c"] * after]
    rows, rejected = read_quoted(tmp_path, "\n".join(lines))
    assert [row[-1] for row in rows] == [n for n in range(1, len(lines) + 1) if n != before + 1]
    assert rejected.records == [(before + 1, MISPLACED)]
