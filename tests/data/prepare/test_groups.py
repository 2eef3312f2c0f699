"""Groups of the rows of train that share a fold."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emm.data.datasets.dataset import Dataset, Task
from emm.data.datasets.split_rules import (
    AsPublished,
    ByColumn,
    ByKey,
    ByTime,
    Halved,
    HeldOut,
    Randomly,
    Split,
)
from emm.data.prepare import groups as module
from emm.data.prepare.groups import numbered
from emm.data.prepare.preprocess import preprocess
from emm.data.reading.chunks import Chunk, Reading
from emm.data.tables.names import GROUP, GROUPS
from tests.data.fetch.tiny_source import SOURCE

ROWS = 600


def table(seed: int) -> pl.DataFrame:
    """Rows of few values, so that many have equal features."""
    draw = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "x": draw.integers(0, 8, ROWS),
            "colour": draw.choice(["red", "green", "blue"], ROWS),
            "user": [f"u{n}" if n else None for n in draw.integers(0, 90, ROWS)],
            "day": draw.integers(0, 1000, ROWS),
            "place": draw.choice(["a", "b", "c"], ROWS, p=[0.8, 0.1, 0.1]),
            "bought": draw.integers(0, 2, ROWS),
            "tags": [["t1", "t2"][: n + 1] for n in draw.integers(0, 2, ROWS)],
        }
    )


def read(_: Reading, part: str) -> Iterator[Chunk]:
    frame = table(len(part))
    yield from (Chunk(part, frame[:250]), Chunk(part, frame[250:]))


def processed(
    tmp_path: Path, split: Split, parts: tuple[str, ...] = ("all",), **changed: Any
) -> Path:
    dataset = Dataset(
        name="tiny",
        source=SOURCE,
        dense=("x",),
        sparse=("colour",),
        tasks={"bought": Task(pl.col("bought"), ("bought",))},
        read=read,
        parts=parts,
        split=split,
        bags=("tags",),
    )
    out = tmp_path / "out"
    out.mkdir()
    preprocess(
        replace(dataset, **changed),
        out,
        out,
        tasks=["bought"],
        seed=0,
        rare_below=1,
        rejected=tmp_path / "rejected.jsonl",
        keep=("user", "day"),
        bags=True,
    )
    return out


def groups_and_train(out: Path) -> tuple[list[int], pl.DataFrame]:
    groups = pl.read_parquet(out / GROUPS)
    assert groups.schema == {GROUP: pl.Int32}
    train = pl.read_parquet(out / "train.parquet")
    assert len(groups) == len(train)
    return groups[GROUP].to_list(), train


def by_first_occurrence(values: list[Any]) -> list[int]:
    numbers: dict[Any, int] = {}
    return [numbers.setdefault(value, len(numbers)) for value in values]


@pytest.mark.parametrize(
    ("split", "parts"),
    [(ByKey("user", 0.2, 0.2), ("all",)), (HeldOut(0.2, "user"), ("train", "test"))],
)
def test_a_split_by_key_has_a_group_for_each_key(
    split: Split, parts: tuple[str, ...], tmp_path: Path
) -> None:
    groups, train = groups_and_train(processed(tmp_path, split, parts))
    assert None in train["user"].to_list()
    assert groups == by_first_occurrence(train["user"].to_list())


@pytest.mark.parametrize(
    ("split", "parts"),
    [
        (Randomly(0.2, 0.2), ("all",)),
        (ByColumn("place", ("b",), ("c",)), ("all",)),
        (HeldOut(0.2), ("train", "test")),
        (Halved(), ("train", "test")),
        (AsPublished(), ("train", "validation", "test")),
    ],
)
def test_other_splits_have_a_group_for_each_row_of_features(
    split: Split, parts: tuple[str, ...], tmp_path: Path
) -> None:
    out = processed(tmp_path, split, parts)
    groups, train = groups_and_train(out)
    tags = pl.read_parquet(out / "bags.parquet")["tags"].gather(train["bag"]).to_list()
    features = [*zip(train["x"], train["colour"], map(tuple, tags), strict=True)]
    assert groups == by_first_occurrence(features)
    assert max(groups) + 1 == 8 * 3 * 2


def test_blocks_of_time_are_contiguous_and_of_about_equal_size(tmp_path: Path) -> None:
    groups, train = groups_and_train(processed(tmp_path, ByTime("day", 0.2, 0.2)))
    rows = pl.DataFrame({"group": groups, "day": train["day"]})
    spans = rows.group_by("group").agg(
        pl.col("day").min().alias("first"), pl.col("day").max().alias("last"), pl.len()
    )
    spans = spans.sort("first")
    assert (spans["first"][1:] > spans["last"][:-1]).all()  # so each time is in one block
    assert 90 <= len(spans) <= 100
    largest = rows.group_by("day").len()["len"].max()
    assert abs(spans["len"] - len(rows) / 100).max() <= largest
    assert groups == by_first_occurrence(groups)


def test_few_times_are_a_block_each(tmp_path: Path) -> None:
    def read_days(_: Reading, __: str) -> Iterator[Chunk]:
        yield Chunk("all", table(0).with_columns(day=pl.col("day") % 6))

    out = processed(tmp_path, ByTime("day", 0.2, 0.2), read=read_days)
    groups, train = groups_and_train(out)
    assert train["day"].n_unique() == 4
    assert groups == by_first_occurrence(train["day"].to_list())


def test_the_column_of_time_may_have_the_name_of_a_count(tmp_path: Path) -> None:
    def read_rows(_: Reading, __: str) -> Iterator[Chunk]:
        yield Chunk("all", table(0).with_columns(rows=pl.col("day"), __block=pl.col("day")))

    for name in ("rows", "__block"):
        folder = tmp_path / name
        folder.mkdir()
        groups, train = groups_and_train(processed(folder, ByTime(name, 0.2, 0.2), read=read_rows))
        assert len(set(groups)) >= 90
        assert len(groups) == len(train)


def test_distinct_rows_are_numbered_in_order() -> None:
    codes = np.random.default_rng(0).permutation(100).astype(np.uint64)
    assert numbered(codes).tolist() == [*range(100)]


@settings(deadline=None, max_examples=100)
@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 5), max_size=60), st.integers(1, 30))
def test_codes_are_numbered_by_first_occurrence_in_any_number_of_parts(
    codes: list[int], rows: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_ROWS", rows)
        found = numbered(np.array(codes, np.uint64))
    assert found.dtype == np.int32
    assert found.tolist() == by_first_occurrence(codes)
