from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from emm.core.errors import DataError
from emm.data.datasets.dataset import Dataset, Task, class_name
from emm.data.datasets.split_rules import ByTime
from emm.data.prepare import ingest as module
from emm.data.prepare.ingest import Store, ingest, usable_rows, wanted_of
from emm.data.reading.chunks import LINE, Chunk, Reading
from emm.data.reading.rejected import Rejected
from emm.data.tables.names import WEIGHT, label_column
from tests.data.fetch.tiny_source import SOURCE

ROWS = pl.DataFrame(
    {
        LINE: [4, 5, 6, 7, 8, 9],
        "price": ["1", "2.5", None, "nan", "cheap", "inf"],
        "shop": ["a", None, "b", "b", "c", "c"],
        "bought": ["0", "1", "1", "0", "0", "0"],
        "spent": ["3", "4", "0", "1e3", "2", "2"],
        "day": [1, 1, 2, 2, 3, 3],
        "count": ["1", "2", "3", "4", "5", "6"],
    }
)


def read(_: Reading, part: str) -> Iterator[Chunk]:
    half = len(ROWS) // 2
    yield from (Chunk(f"{part}.csv", ROWS[:half]), Chunk(f"{part}.csv", ROWS[half:]))


def in_two_chunks(_: Reading, part: str) -> Iterator[Chunk]:
    yield from (Chunk(f"{part}.csv", ROWS[:2]), Chunk(f"{part}.csv", ROWS[2:]))


DATASET = Dataset(
    name="tiny",
    source=SOURCE,
    dense=("price", "spent"),
    sparse=("shop",),
    tasks={
        "bought": Task(pl.col("bought"), ("bought",)),
        "spent": Task(pl.col("spent"), ("spent",), kind="regression"),
    },
    read=read,
    parts=("all",),
    split=ByTime("day", 0.1, 0.1),
    weight="count",
)


def usable(rows: pl.DataFrame, *tasks: str) -> tuple[pl.DataFrame, list[tuple[int, str]]]:
    rejected = Rejected("tiny", 1.0)
    kept = usable_rows(Chunk("f.csv", rows), wanted_of(DATASET, tasks), rejected)
    return kept, [(each["line"], each["reason"]) for each in rejected._records]


def test_usable_rows_have_numbers_labels_and_weights() -> None:
    kept, _ = usable(ROWS, "bought", "spent")
    assert kept.drop("price").to_dict(as_series=False) == {
        "shop": ["a", None, "b", "b"],
        "day": [1, 1, 2, 2],
        "label:bought": [0, 1, 1, 0],
        "label:spent": [3.0, 4.0, 0.0, 1000.0],
        WEIGHT: [1.0, 2.0, 3.0, 4.0],
    }
    assert kept["price"].fill_nan(None).to_list() == [1.0, 2.5, None, None]


def test_a_dense_value_that_is_not_a_number_is_rejected_with_its_line_number() -> None:
    _, rejected = usable(ROWS, "bought")
    assert rejected == [(n, "the column 'price' isn't a number") for n in (8, 9)]


def test_columns_of_the_chosen_labels_are_not_features() -> None:
    assert wanted_of(DATASET, ["bought"]).dense == ("price", "spent")
    assert wanted_of(DATASET, ["bought", "spent"]).dense == ("price",)


@pytest.mark.parametrize("label", ["2", "-1", "0.5", "yes", None])
def test_a_binary_label_is_0_or_1(label: str | None) -> None:
    _, rejected = usable(ROWS[:1].with_columns(bought=pl.lit(label, pl.String)), "bought")
    assert rejected == [(4, "'label bought' has no known value")]


@pytest.mark.parametrize("label", ["inf", "nan", "much", None])
def test_a_regression_label_is_a_finite_number(label: str | None) -> None:
    _, rejected = usable(ROWS[:1].with_columns(spent=pl.lit(label, pl.String)), "spent")
    assert rejected[0][1] == "'label spent' has no known value"


@pytest.mark.parametrize("weight", ["0", "-1", "nan", "heavy", None])
def test_a_weight_is_above_0(weight: str | None) -> None:
    _, rejected = usable(ROWS[:1].with_columns(pl.lit(weight, pl.String).alias("count")), "bought")
    assert rejected == [(4, "the weight 'count' isn't a number above 0")]


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("3.0", "3"),
        ("3", "3"),
        ("-3.00", "-3"),
        ("3.5", "3.5"),
        (" a ", "a"),
        ("", None),
        ("007", "007"),
    ],
)
def test_the_name_of_a_class_does_not_depend_on_how_its_number_is_written(
    value: str, name: str | None
) -> None:
    found = pl.DataFrame({"a": [value]}).select(class_name(pl.col("a"))).item()
    assert found == name


def test_a_weight_in_place_of_the_datasets_is_no_feature() -> None:
    other = replace(DATASET, weight="price")
    assert wanted_of(other, ["bought"]).dense == ("spent",)


@pytest.mark.parametrize(("memory", "files"), [(2**20, 0), (100, 2), (0, 2)])
def test_rows_are_in_the_order_of_the_chunks_in_memory_or_in_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: int, files: int
) -> None:
    monkeypatch.setattr(module, "IN_MEMORY", memory)
    dataset = Dataset(**{**vars(DATASET), "read": in_two_chunks})
    reading = Reading(tmp_path, Rejected("tiny", 1.0), tmp_path)
    found = ingest(dataset, reading, wanted_of(dataset, ["bought"]), tmp_path)["all"].collect()
    assert found["day"].to_list() == [1, 1, 2, 2]
    assert len(list((tmp_path / "all").iterdir())) == files


def test_a_store_holds_no_more_than_it_may(tmp_path: Path) -> None:
    rows = pl.DataFrame({"a": [1, 2, 3]})
    store = Store(tmp_path / "part", 2 * int(rows.estimated_size()))
    held = []
    for _ in range(4):
        store.add(rows)
        held.append(store.held)
    assert held == [24, 48, 0, 0]
    assert store.rows().collect()["a"].to_list() == 4 * [1, 2, 3]


def test_a_label_beyond_its_type_is_rejected() -> None:
    rows = ROWS.with_columns(bought=pl.Series(["300", "-1", "0.5", "1", "0", "nan"]))
    kept, rejected = usable(rows, "bought")
    assert kept[label_column("bought")].to_list() == [1]
    assert {reason for _, reason in rejected} >= {"'label bought' has no known value"}


def test_a_part_without_usable_rows_is_an_error(tmp_path: Path) -> None:
    nothing = Dataset(**{**vars(DATASET), "read": lambda *_: iter([Chunk("f", ROWS[4:])])})
    reading = Reading(tmp_path, Rejected("tiny", 1.0), tmp_path)
    with pytest.raises(DataError, match="no usable rows in its part all"):
        ingest(nothing, reading, wanted_of(nothing, ["bought"]), tmp_path)
