import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from weakref import ref

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from emm.core.errors import DataError
from emm.data.tables import stream as module
from emm.data.tables.batches import RowTensors, batch_sizes
from emm.data.tables.folds import fold_only, without_fold
from emm.data.tables.stream import Stream, ahead
from tests.data.tables.streamed import everything, flat, numbered, stream

PROPERTY = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SIZE = st.integers(1, 90)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def numbers(batches: Iterator[RowTensors]) -> list[int]:
    return torch.cat([batch.sparse for batch in batches]).flatten().tolist()


@PROPERTY
@given(rows=st.integers(1, 200), batch=st.integers(2, 70), group=SIZE, window=SIZE, block=SIZE)
def test_an_epoch_has_each_row_once_in_the_batches_of_a_table(
    tmp_path: Path, rows: int, batch: int, group: int, window: int, block: int
) -> None:
    table = numbered(rows)
    data = stream(table, tmp_path / "rows.parquet", group=group, window=window, block=block)
    batches = list(data.shuffled(batch, seeded()))
    assert [len(each) for each in batches] == batch_sizes(rows, batch)
    found = flat(RowTensors(*(torch.cat(x) for x in zip(*map(parts, batches), strict=True))))
    assert torch.equal(found[found[:, 0].argsort()], flat(table))


def parts(table: RowTensors) -> tuple[Tensor, ...]:
    assert table.given is not None
    assert table.weights is not None
    return table.dense, table.sparse, table.labels, table.given, table.weights


@PROPERTY
@given(rows=st.integers(1, 200), batch=SIZE, group=SIZE, window=SIZE, block=SIZE)
def test_rows_in_order_come_in_the_parts_of_a_table(
    tmp_path: Path, rows: int, batch: int, group: int, window: int, block: int
) -> None:
    table = numbered(rows)
    data = stream(table, tmp_path / "rows.parquet", group=group, window=window, block=block)
    pairs = zip(data.in_order(batch), table.in_order(batch), strict=True)
    assert all(torch.equal(flat(found), flat(wanted)) for found, wanted in pairs)


@PROPERTY
@given(
    rows=st.integers(4, 200),
    folds=st.integers(2, 4),
    group=SIZE,
    window=SIZE,
    block=SIZE,
    seed=SIZE,
)
def test_folds_are_those_of_a_table(
    tmp_path: Path, rows: int, folds: int, group: int, window: int, block: int, seed: int
) -> None:
    table = numbered(rows)
    data = stream(table, tmp_path / "rows.parquet", group=group, window=window, block=block)
    for part in (without_fold, fold_only):
        found, wanted = part(data, 1, folds, seed), part(table, 1, folds, seed)
        assert torch.equal(everything(found), everything(wanted))
        assert sorted(numbers(found.shuffled(16, seeded()))) == wanted.sparse.flatten().tolist()


def test_a_part_of_a_part_keeps_to_its_rows(tmp_path: Path) -> None:
    table = numbered(100)
    data = stream(table, tmp_path / "rows.parquet", window=30, block=8)
    first, second = torch.arange(3, 100, 3), torch.tensor([0, 5, 6, 30])
    wanted = table.rows(first).rows(second)
    assert torch.equal(everything(data.rows(first).rows(second)), flat(wanted))


@pytest.fixture
def data(tmp_path: Path) -> Stream:
    return stream(numbered(400), tmp_path / "rows.parquet", window=60, block=10)


def test_the_generator_alone_decides_the_order(data: Stream) -> None:
    first, again, other = (numbers(data.shuffled(32, seeded(seed))) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_every_epoch_has_an_order_of_its_own(data: Stream) -> None:
    generator = seeded()
    first, second = (numbers(data.shuffled(32, generator)) for _ in range(2))
    assert first != second


def test_a_window_mixes_blocks_from_all_over_the_file(data: Stream) -> None:
    found = numbers(data.shuffled(32, seeded()))
    blocks = [{number // 10 for number in found[at : at + 50]} for at in range(0, 400, 50)]
    assert sum(map(len, blocks)) == 40  # five blocks a window, an eighth of the rows
    assert max(map(max, blocks[:2])) - min(map(min, blocks[:2])) > 10
    assert found[:50] != sorted(found[:50])


def test_one_window_holds_no_more_rows_than_memory_allows(
    data: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    read = Stream._read

    def record(self: Stream, blocks: list[tuple[int, int]]) -> RowTensors:
        sizes.append(sum(last - first for first, last in blocks))
        return read(self, blocks)

    monkeypatch.setattr(Stream, "_read", record)
    small = replace(data, memory=2 * 27 * data._row_bytes)
    for batches in (small.shuffled(300, seeded()), small.in_order(300)):
        sizes.clear()
        assert len(numbers(batches)) == 400
        assert max(sizes) == 20


def test_no_more_than_two_windows_are_alive(data: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    read, windows, alive = Stream._read, list[ref[Tensor]](), list[int]()

    def record(self: Stream, blocks: list[tuple[int, int]]) -> RowTensors:
        alive.append(sum(window() is not None for window in windows))
        table = read(self, blocks)
        windows.append(ref(table.dense))
        return table

    monkeypatch.setattr(Stream, "_read", record)
    for batches in (data.shuffled(16, seeded()), data.in_order(16)):
        alive.clear()
        assert len(numbers(batches)) == 400
        assert max(alive) <= 1  # beside the one that is read


def test_a_table_of_a_mixed_kind_streams_its_labels(tmp_path: Path) -> None:
    labels = torch.stack([torch.arange(50) % 2, torch.arange(50) / 7], dim=1).float()
    table = replace(numbered(50), labels=labels, kinds=("binary", "regression"))
    data = stream(table, tmp_path / "rows.parquet", window=20, block=7)
    assert torch.equal(everything(data), flat(table))
    assert next(data.in_order(9)).kinds == table.kinds
    for number in range(2):
        found, wanted = data.task(number), table.task(number)
        assert found.kinds == wanted.kinds == ((), ("regression",))[number]
        assert found.labels.dtype == wanted.labels.dtype
        assert torch.equal(everything(found), flat(wanted))


def test_as_many_rows_as_fit_are_held_in_their_order(data: Stream) -> None:
    table = numbered(400)
    wide = replace(data, memory=3 * 400 * data._row_bytes)
    assert torch.equal(flat(wide.in_memory(3, seed=0)), flat(table))
    found, again, other = (
        replace(data, memory=3 * 150 * data._row_bytes).in_memory(3, seed) for seed in (0, 0, 1)
    )
    chosen = found.sparse.flatten()
    assert len(chosen) == 150
    assert bool((chosen.diff() > 0).all())
    assert torch.equal(flat(found), flat(table.rows(chosen.long())))
    assert torch.equal(found.sparse, again.sparse)
    assert not torch.equal(found.sparse, other.sparse)


def readers() -> int:
    return sum(thread.name.startswith("ThreadPool") for thread in threading.enumerate())


def test_the_thread_ends_with_the_iterator(data: Stream) -> None:
    before = readers()
    batches = data.shuffled(16, seeded())
    next(batches)
    assert readers() == before + 1
    batches.close()  # type: ignore[attr-defined]
    assert readers() == before
    numbers(data.shuffled(16, seeded()))
    assert readers() == before


def test_what_the_thread_raises_is_raised_where_batches_are_used(
    data: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, read = readers(), Stream._read

    def fail(self: Stream, blocks: list[tuple[int, int]]) -> RowTensors:
        if threading.current_thread() is threading.main_thread() or failed.is_set():
            raise DataError("gone")
        failed.set()
        return read(self, blocks)

    failed = threading.Event()
    monkeypatch.setattr(Stream, "_read", fail)
    batches = data.shuffled(16, seeded())
    assert len(next(batches)) == 16
    with pytest.raises(DataError, match="gone"):
        numbers(batches)
    assert readers() == before


def test_the_next_job_runs_while_a_result_is_used() -> None:
    started = [threading.Event() for _ in range(3)]

    def job(number: int) -> Callable[[], RowTensors]:
        def run() -> RowTensors:
            started[number].set()
            return numbered(number)

        return run

    results = ahead([job(number) for number in range(3)])
    assert len(next(results)) == 0
    assert started[1].wait(timeout=10)
    assert not started[2].is_set()
    assert [len(each) for each in results] == [1, 2]


def test_without_jobs_there_is_nothing_ahead() -> None:
    assert list(ahead([])) == []


def test_a_file_damaged_in_its_midst_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    data = stream(numbered(5000), path, group=500, window=600, block=500)
    content = bytearray(path.read_bytes())
    content[: len(content) // 2] = bytes(len(content) // 2)  # the footer stays
    path.write_bytes(content)
    with pytest.raises(DataError, match="can't be read"):
        numbers(data.shuffled(16, seeded()))


def test_windows_are_bounded_whatever_the_memory(
    data: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    ample = replace(data, memory=2**60)
    first = numbers(ample.shuffled(32, seeded()))
    assert numbers(replace(data, memory=2**50).shuffled(32, seeded())) == first
    monkeypatch.setattr(module, "WINDOW_BYTES", 12 * data._row_bytes)
    assert numbers(ample.shuffled(32, seeded())) != first
