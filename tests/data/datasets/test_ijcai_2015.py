from pathlib import Path

import polars as pl
import pytest

from emm.core.errors import DataError
from emm.data.datasets.ijcai_2015 import DATASET
from tests.data.datasets.reading import csv, labels, read

EVENTS = "user_id,item_id,cat_id,seller_id,brand_id,time_stamp,action_type"
USERS = "user_id,age_range,gender"
HISTORY = ("1,50,7,3,20,0511,0", "2,51,7,3,,0511,2")


def files(*events: str, users: tuple[str, ...] = ("1,6,0", "2,,")) -> dict[str, str]:
    return {
        "user_log_format1.csv": csv(EVENTS, *HISTORY, *events),
        "user_info_format1.csv": csv(USERS, *users),
    }


def test_a_row_has_labels_user_features_and_counts_of_earlier_days(tmp_path: Path) -> None:
    rows, rejected = read(DATASET, tmp_path, files("1,50,7,3,20,0930,3", "1,50,7,3,20,0930,2"))
    row = rows.row(0, named=True)
    assert (row["item_id"], row["seller_id"], row["brand_id"], row["day"]) == (50, 3, 20, 930)
    assert (row["age_range"], row["gender"]) == ("6", "0")
    assert [labels(DATASET, rows, task)[0] for task in ("purchase", "favourite")] == [1, 1]
    assert {name: number for name in DATASET.dense if (number := row[name])} == {
        "user_click_count": 1,
        "item_click_count": 1,
        "cat_click_count": 1,
        "cat_purchase_count": 1,
        "seller_click_count": 1,
        "seller_purchase_count": 1,
        "user_cat_click_count": 1,
        "user_seller_click_count": 1,
    }
    assert not rejected


def test_missing_brand_age_and_gender_are_null(tmp_path: Path) -> None:
    rows, rejected = read(DATASET, tmp_path, files("2,51,7,3,,0512,0", "9,51,7,3,,0512,0"))
    about = rows.filter(pl.col("item_id") == 51).select("brand_id", "age_range", "gender")
    assert set(about.rows()) == {(None, None, None)}
    assert not rejected


def test_unusable_events_are_rejected_with_the_reason(tmp_path: Path) -> None:
    bad = ("1,50,7,3,x,0512,0", "1,50,7,3,20,0512,4", "1,50,7,3,20,1113,0", "1,50,7,3,20,0600,0")
    _, rejected = read(DATASET, tmp_path, files(*bad, "1,50,7,3,20,0512,0"))
    assert rejected == [
        (4, "an id isn't a whole number"),
        (5, "the action is none of 0 to 3"),
        (6, "not of the days 0511 to 1112"),
        (7, "not of the days 0511 to 1112"),
    ]


def test_a_repeated_user_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a user more than once"):
        read(DATASET, tmp_path, files("1,50,7,3,20,0512,0", users=("1,6,0", "1,5,0")))


def test_behaviours_of_the_day_are_not_features() -> None:
    behaviours = {"click", "cart", "purchase", "favourite", "day"}
    assert list(DATASET.tasks) == ["purchase", "favourite"]
    assert not behaviours & {*DATASET.dense, *DATASET.sparse}
