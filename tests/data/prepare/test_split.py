import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emm.core.errors import DataError
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
from emm.data.prepare.split import assign


def rows(count: int, seed: int = 0) -> pl.LazyFrame:
    draw = np.random.default_rng(seed)
    return pl.LazyFrame(
        {
            "number": np.arange(count),
            "user": draw.integers(0, max(count // 5, 3), count),
            "day": draw.integers(0, 12, count),
            "where": draw.choice(["a", "b", "c"], count),
            "label:x": draw.integers(0, 2, count).astype(np.uint8),
        }
    )


def split(rule: Split, parts: dict[str, pl.LazyFrame], seed: int = 0) -> dict[str, pl.DataFrame]:
    return {name: s.collect() for name, s in assign(rule, parts, [pl.col("label:x")], seed).items()}


RULES = [
    ByTime("day", 0.2, 0.2),
    ByKey("user", 0.2, 0.3),
    ByColumn("where", ("b",), ("c",)),
    Randomly(0.1, 0.25),
]


@settings(deadline=None, max_examples=20)
@given(st.sampled_from(RULES), st.integers(120, 400), st.integers(0, 3))
def test_every_row_is_in_one_split_in_order(rule: Split, count: int, seed: int) -> None:
    found = split(rule, {"all": rows(count, seed)}, seed)
    numbers = [frame["number"].to_list() for frame in found.values()]
    assert all(each == sorted(each) for each in numbers)
    assert sorted(number for each in numbers for number in each) == list(range(count))


def test_by_time_keeps_rows_of_the_same_time_together() -> None:
    days = pl.LazyFrame({"number": range(10), "day": [1, 1, 1, 1, 2, 3, 3, 4, 4, 5]})
    found = assign(ByTime("day", 0.25, 0.3), {"all": days}, [], 0)
    assert {name: sorted(set(s.collect()["day"])) for name, s in found.items()} == {
        "train": [1, 2],
        "validation": [3],
        "test": [4, 5],
    }


def test_by_time_each_split_has_at_least_one_value() -> None:
    days = pl.LazyFrame({"day": [1, 2, 3, 3, 3, 3, 3, 3]})
    found = assign(ByTime("day", 0.01, 0.01), {"all": days}, [], 0)
    assert [sorted(set(s.collect()["day"])) for s in found.values()] == [[1], [2], [3]]


@pytest.mark.parametrize("days", [[1, 1, 2, 2], [1, 2, None, 4]])
def test_a_column_that_can_not_order_the_rows_is_an_error(days: list[int | None]) -> None:
    with pytest.raises(DataError, match="can't order the rows by time"):
        assign(ByTime("day", 0.2, 0.2), {"all": pl.LazyFrame({"day": days})}, [], 0)


def test_by_key_keeps_rows_of_a_key_together() -> None:
    found = split(ByKey("user", 0.2, 0.3), {"all": rows(500)})
    users = [set(frame["user"]) for frame in found.values()]
    assert len(users[0] | users[1] | users[2]) == sum(map(len, users))
    assert [len(each) for each in users] == pytest.approx([50, 20, 30], abs=2)


def test_held_out_validation_is_a_share_of_the_keys_of_train() -> None:
    train, test = rows(300, 1), rows(100, 2)
    found = split(HeldOut(0.1, "user"), {"train": train, "test": test})
    assert found["test"].equals(test.collect())
    assert not set(found["train"]["user"]) & set(found["validation"]["user"])
    together = pl.concat([found["train"], found["validation"]]).sort("number")
    assert together.equals(train.collect())


def test_random_splits_have_exact_shares_and_depend_on_the_seed() -> None:
    first, again, other = (
        split(Randomly(0.1, 0.2), {"all": rows(1000)}, seed) for seed in (0, 0, 1)
    )
    assert [len(frame) for frame in first.values()] == [700, 100, 200]
    assert all(first[name].equals(again[name]) for name in first)
    assert not first["test"].equals(other["test"])


def test_the_halves_of_test_are_stratified() -> None:
    found = split(Halved(), {"train": rows(50), "test": rows(200, 1)})
    positives = [int(found[name]["label:x"].sum()) for name in ("validation", "test")]
    assert abs(positives[0] - positives[1]) <= 1


def test_published_splits_are_unchanged() -> None:
    parts = {name: rows(20, seed) for seed, name in enumerate(("train", "validation", "test"))}
    found = split(AsPublished(), parts)
    assert all(found[name].equals(parts[name].collect()) for name in parts)


def test_an_empty_split_is_an_error() -> None:
    with pytest.raises(DataError, match=r"(?s)the split test is empty.*0 rows of test"):
        assign(ByColumn("where", ("b",), ("z",)), {"all": rows(30)}, [], 0)
