from pathlib import Path

from emm.data.datasets.qb_video import DATASET
from tests.data.datasets.reading import csv, labels, read

HEADER = "user_id,item_id,click,follow,like,share,video_category,watching_times,gender,age"
FILES = {
    "QB-video.csv": csv(
        HEADER,
        "1,10,1,0,1,0,0,3,1,4",
        "1,11,0,0,0,0,1,0,1,4",
        r"2,10,1,1,0,1,\N,1,0,\N",
        "2,10,1,1",
        r"3,12,\N,0,0,0,1,0,1,1",
    )
}


def test_rows_and_labels(tmp_path: Path) -> None:
    rows, rejected = read(DATASET, tmp_path, FILES)
    assert rows.select("user_id", "item_id", "gender").rows() == [
        ("1", "10", "1"),
        ("1", "11", "1"),
        ("2", "10", "0"),
        ("3", "12", "1"),
    ]
    found = {task: labels(DATASET, rows[:3], task) for task in DATASET.tasks}
    assert found == {
        "click": [1, 0, 1],
        "follow": [0, 0, 1],
        "like": [1, 0, 0],
        "share": [0, 0, 1],
    }
    assert rejected == [(5, "4 fields instead of 10")]


def test_missing_values_and_labels_are_null(tmp_path: Path) -> None:
    rows, _ = read(DATASET, tmp_path, FILES)
    assert rows["video_category"].to_list() == ["0", "1", None, "1"]
    assert rows["age"].to_list() == ["4", "4", None, "1"]
    label = DATASET.tasks["click"].label
    assert rows.select(label.cast(float, strict=False)).to_series().to_list() == [1, 0, 1, None]


def test_outcomes_are_not_features() -> None:
    outcomes = {"click", "follow", "like", "share", "watching_times"}
    assert not outcomes & {*DATASET.dense, *DATASET.sparse}
