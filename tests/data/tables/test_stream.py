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
from emm.data.tables.folds import fold_only, without_fold
from emm.data.tables.prefetch import prefetch
from emm.data.tables.rows import RowTensors, batch_sizes
from emm.data.tables.stream import Stream
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
def test_an_epoch_has_each_row_once_in_batches_of_the_same_sizes_as_in_memory(
    tmp_path: Path, rows: int, batch: int, group: int, window: int, block: int
) -> None:
    held = numbered(rows)
    data = stream(held, tmp_path / "rows.parquet", group=group, window=window, block=block)
    batches = list(data.shuffled(batch, seeded()))
    assert [len(each) for each in batches] == batch_sizes(rows, batch)
    found = flat(RowTensors(*(torch.cat(x) for x in zip(*map(parts, batches), strict=True))))
    assert torch.equal(found[found[:, 0].argsort()], flat(held))


def parts(rows: RowTensors) -> tuple[Tensor, ...]:
    assert rows.cached_predictions is not None
    assert rows.weights is not None
    return rows.dense, rows.sparse, rows.labels, rows.cached_predictions, rows.weights


@PROPERTY
@given(rows=st.integers(1, 200), batch=SIZE, group=SIZE, window=SIZE, block=SIZE)
def test_in_order_yields_the_same_batches_as_in_memory(
    tmp_path: Path, rows: int, batch: int, group: int, window: int, block: int
) -> None:
    held = numbered(rows)
    data = stream(held, tmp_path / "rows.parquet", group=group, window=window, block=block)
    pairs = zip(data.in_order(batch), held.in_order(batch), strict=True)
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
def test_folds_are_the_same_as_in_memory(
    tmp_path: Path, rows: int, folds: int, group: int, window: int, block: int, seed: int
) -> None:
    held = numbered(rows)
    data = stream(held, tmp_path / "rows.parquet", group=group, window=window, block=block)
    for part in (without_fold, fold_only):
        found, wanted = part(data, 1, folds, seed), part(held, 1, folds, seed)
        assert torch.equal(everything(found), everything(wanted))
        assert sorted(numbers(found.shuffled(16, seeded()))) == wanted.sparse.flatten().tolist()


def test_groups_follow_the_rows_and_their_folds(tmp_path: Path) -> None:
    groups = torch.arange(100).int() // 3
    held = replace(numbered(100), groups=groups)
    data = replace(stream(held, tmp_path / "rows.parquet", window=30, block=8), groups=groups)
    own, other = fold_only(data, 0, 4, 1), without_fold(data, 0, 4, 1)
    assert own.groups is not None
    assert other.groups is not None
    assert torch.equal(own.groups, fold_only(held, 0, 4, 1).groups)
    assert {*own.groups.tolist()}.isdisjoint(other.groups.tolist())
    assert torch.equal(data.task(1).groups, groups)
    for rows in (100, 40):  # all, and a sample
        read = replace(data, memory=rows * data._row_bytes).in_memory(1, 0)
        assert len(read) == rows
        assert torch.equal(read.groups, read.sparse.flatten() // 3)
    assert {batch.groups for batch in data.in_order(16)} == {None}


def test_groups_do_not_change_the_order_of_batches(tmp_path: Path) -> None:
    data = stream(numbered(100), tmp_path / "rows.parquet", window=30, block=8)
    grouped = replace(data, groups=torch.zeros(100).int())
    assert grouped.arrangement == data.arrangement


def test_rows_can_be_selected_twice(tmp_path: Path) -> None:
    held = numbered(100)
    data = stream(held, tmp_path / "rows.parquet", window=30, block=8)
    first, second = torch.arange(3, 100, 3), torch.tensor([0, 5, 6, 30])
    wanted = held.rows(first).rows(second)
    assert torch.equal(everything(data.rows(first).rows(second)), flat(wanted))


@pytest.fixture
def data(tmp_path: Path) -> Stream:
    return stream(numbered(400), tmp_path / "rows.parquet", window=60, block=10)


def test_the_order_depends_on_the_generator_only(data: Stream) -> None:
    first, again, other = (numbers(data.shuffled(32, seeded(seed))) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_every_epoch_has_a_different_order(data: Stream) -> None:
    generator = seeded()
    first, second = (numbers(data.shuffled(32, generator)) for _ in range(2))
    assert first != second


def test_a_window_mixes_blocks_from_the_entire_file(data: Stream) -> None:
    found = numbers(data.shuffled(32, seeded()))
    blocks = [{number // 10 for number in found[at : at + 50]} for at in range(0, 400, 50)]
    assert sum(map(len, blocks)) == 40  # five blocks a window, an eighth of the rows
    assert max(map(max, blocks[:2])) - min(map(min, blocks[:2])) > 10
    assert found[:50] != sorted(found[:50])


def test_a_window_fits_into_half_of_the_memory(
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


def test_at_most_two_windows_are_in_memory(data: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    read, windows, alive = Stream._read, list[ref[Tensor]](), list[int]()

    def record(self: Stream, blocks: list[tuple[int, int]]) -> RowTensors:
        alive.append(sum(window() is not None for window in windows))
        rows = read(self, blocks)
        windows.append(ref(rows.dense))
        return rows

    monkeypatch.setattr(Stream, "_read", record)
    for batches in (data.shuffled(16, seeded()), data.in_order(16)):
        alive.clear()
        assert len(numbers(batches)) == 400
        assert max(alive) <= 1  # besides the one being read


def test_labels_of_mixed_kinds_are_streamed(tmp_path: Path) -> None:
    labels = torch.stack([torch.arange(50) % 2, torch.arange(50) / 7], dim=1).float()
    held = replace(numbered(50), labels=labels, kinds=("binary", "regression"))
    data = stream(held, tmp_path / "rows.parquet", window=20, block=7)
    assert torch.equal(everything(data), flat(held))
    assert next(data.in_order(9)).kinds == held.kinds
    for number in range(2):
        found, wanted = data.task(number), held.task(number)
        assert found.kinds == wanted.kinds == ((), ("regression",))[number]
        assert found.labels.dtype == wanted.labels.dtype
        assert torch.equal(everything(found), flat(wanted))


def test_in_memory_samples_as_many_rows_as_fit_in_order(data: Stream) -> None:
    held = numbered(400)
    wide = replace(data, memory=3 * 400 * data._row_bytes)
    assert torch.equal(flat(wide.in_memory(3, seed=0)), flat(held))
    found, again, other = (
        replace(data, memory=3 * 150 * data._row_bytes).in_memory(3, seed) for seed in (0, 0, 1)
    )
    chosen = found.sparse.flatten()
    assert len(chosen) == 150
    assert bool((chosen.diff() > 0).all())
    assert torch.equal(flat(found), flat(held.rows(chosen.long())))
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


def test_an_error_in_the_thread_is_raised_by_the_iterator(
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

    results = prefetch([job(number) for number in range(3)])
    assert len(next(results)) == 0
    assert started[1].wait(timeout=10)
    assert not started[2].is_set()
    assert [len(each) for each in results] == [1, 2]


def test_prefetch_without_jobs_yields_nothing() -> None:
    assert list(prefetch([])) == []


def test_a_file_damaged_in_the_middle_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    data = stream(numbered(5000), path, group=500, window=600, block=500)
    content = bytearray(path.read_bytes())
    content[: len(content) // 2] = bytes(len(content) // 2)  # the footer stays
    path.write_bytes(content)
    with pytest.raises(DataError, match="can't be read"):
        numbers(data.shuffled(16, seeded()))


def test_the_window_size_has_a_fixed_limit(data: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    ample = replace(data, memory=2**60)
    first = numbers(ample.shuffled(32, seeded()))
    assert numbers(replace(data, memory=2**50).shuffled(32, seeded())) == first
    monkeypatch.setattr(module, "WINDOW_BYTES", 12 * data._row_bytes)
    assert numbers(ample.shuffled(32, seeded())) != first
