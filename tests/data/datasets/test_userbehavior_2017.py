from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from emm.core.errors import DataError
from emm.data.datasets.userbehavior_2017 import DATASET
from tests.data.datasets.reading import labels, read

HISTORY = ["9,50,7,pv,2017-11-24T16:00:00", "1,50,7,fav,2017-11-25T15:59:59"]


def log(*lines: str) -> dict[str, str]:
    """The log file, with UTC times converted to Unix seconds."""
    events = [line.rsplit(",", 1) for line in lines]
    seconds = [
        int(datetime.fromisoformat(time).replace(tzinfo=UTC).timestamp()) for _, time in events
    ]
    text = [f"{rest},{second}\n" for (rest, _), second in zip(events, seconds, strict=True)]
    return {"UserBehavior.csv": "".join(text)}


def test_days_start_at_midnight_in_beijing(tmp_path: Path) -> None:
    lines = ["2,50,7,pv,2017-11-25T16:00:00", "3,50,7,pv,2017-12-03T15:59:59"]
    rows, rejected = read(DATASET, tmp_path, log(*HISTORY, *lines))
    assert rows.filter(pl.col("click") == 1).select("user_id", "day").rows() == [(2, 1), (3, 8)]
    assert not rejected


def test_a_row_has_behaviours_of_its_day_and_counts_of_earlier_days(tmp_path: Path) -> None:
    lines = [
        "1,50,7,buy,2017-11-26T02:00:00",
        "1,50,7,cart,2017-11-26T01:00:00",
        "1,50,7,pv,2017-11-27T01:00:00",
    ]
    rows, _ = read(DATASET, tmp_path, log(*HISTORY, *lines))
    found = [[int(value or 0) for value in labels(DATASET, rows, task)] for task in DATASET.tasks]
    assert list(DATASET.tasks) == ["click", "cart", "favourite", "buy"]
    assert list(zip(*found, strict=True)) == [(0, 1, 0, 1), (1, 0, 0, 0)]
    first, second = rows.select(DATASET.dense).rows(named=True)
    assert {name: number for name, number in first.items() if number} == {
        "user_favourite_count": 1,
        "item_click_count": 1,
        "item_favourite_count": 1,
        "category_click_count": 1,
        "category_favourite_count": 1,
        "user_category_favourite_count": 1,
    }
    assert (second["user_buy_count"], second["user_category_cart_count"]) == (1, 1)


def test_unusable_events_are_rejected_with_the_reason(tmp_path: Path) -> None:
    good = ["2,50,7,pv,2017-11-26T10:00:00"]
    bad = [
        "2,50,7,pv,2017-11-24T15:59:59",
        "2,50,7,pv,2017-12-03T16:00:00",
        "2,50,7,pv,1969-12-31T00:00:00",
        "2,50,7,look,2017-11-26T10:00:00",
        "-2,50,7,pv,2017-11-26T10:00:00",
        "2,,7,pv,2017-11-26T10:00:00",
        "2,4294967295,7,pv,2017-11-26T10:00:00",
    ]
    rows, rejected = read(DATASET, tmp_path, log(*HISTORY, *bad, *good))
    assert rows["user_id"].to_list()[0] == 2
    other_day = "not of the days 2017-11-25 to 2017-12-03"
    assert rejected == [
        (3, other_day),
        (4, other_day),
        (5, other_day),
        (6, "the behaviour is none of pv, cart, fav, buy"),
        (7, "an id isn't a whole number"),
        (8, "an id isn't a whole number"),
        (9, "an id isn't a whole number"),
    ]


def test_a_header_is_an_error(tmp_path: Path) -> None:
    files = log(*HISTORY)
    files["UserBehavior.csv"] = (
        "user_id,item_id,category_id,behavior_type,timestamp\n" + files["UserBehavior.csv"]
    )
    with pytest.raises(DataError, match="has a header, but"):
        read(DATASET, tmp_path, files)


def test_behaviours_of_the_day_are_not_features() -> None:
    assert not {*DATASET.tasks, "day", "timestamp"} & {*DATASET.dense, *DATASET.sparse}
