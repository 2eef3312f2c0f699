"""After skipped batches, an epoch continues as it would have done."""

from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emm.data.tables.loading import SplitFile
from emm.data.tables.rows import Rows, count_batches
from emm.data.tables.stream import Stream
from tests.data.tables.streamed import flat, numbered, stream

SIZE = st.integers(1, 90)


def rest_is_the_same(data: Rows, batch: int, done: int) -> bool:
    complete, part = (torch.Generator().manual_seed(5) for _ in range(2))
    expected = list(data.shuffled(batch, complete))[done:]
    found = list(data.shuffled(batch, part, done))
    assert torch.equal(complete.get_state(), part.get_state())
    return len(found) == len(expected) and all(
        torch.equal(flat(a), flat(b)) for a, b in zip(found, expected, strict=True)
    )


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.integers(2, 200), batch=st.integers(2, 70), window=SIZE, block=SIZE, data=st.data())
def test_a_stream_continues_after_skipped_batches(
    tmp_path: Path, rows: int, batch: int, window: int, block: int, data: st.DataObject
) -> None:
    found = stream(numbered(rows), tmp_path / "rows.parquet", window=window, block=block)
    done = data.draw(st.integers(0, count_batches(rows, batch)))
    assert rest_is_the_same(found, batch, done)


@pytest.mark.parametrize("done", [0, 1, 3, 6, 7])
def test_rows_in_memory_continue_after_skipped_batches(done: int) -> None:
    assert rest_is_the_same(numbered(100), 16, done)


@pytest.fixture
def data(tmp_path: Path) -> Stream:
    return stream(numbered(400), tmp_path / "rows.parquet", window=60, block=10)


@pytest.mark.parametrize(("done", "read"), [(0, 400), (3, 350), (13, 0)])
def test_skipped_windows_are_not_read(
    data: Stream, monkeypatch: pytest.MonkeyPatch, done: int, read: int
) -> None:
    spans: list[int] = []
    real = SplitFile.read

    def count(self: SplitFile, into: object, at: int, start: int, stop: int) -> None:
        spans.append(stop - start)
        real(self, into, at, start, stop)

    monkeypatch.setattr(SplitFile, "read", count)
    list(data.shuffled(32, torch.Generator(), done))  # windows of 50 rows
    assert sum(spans) == read


def test_the_arrangement_depends_on_the_windows(data: Stream, tmp_path: Path) -> None:
    other = stream(numbered(400), tmp_path / "other.parquet", window=30, block=10)
    again = stream(numbered(400), tmp_path / "again.parquet", window=60, block=10)
    assert data.arrangement == again.arrangement == (400, 50, 10)
    assert other.arrangement != data.arrangement
    assert numbered(400).arrangement == (400,)
