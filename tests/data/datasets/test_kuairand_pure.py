from pathlib import Path

import pytest

from emm.core.errors import DataError
from emm.data.datasets.kuairand_pure import DATASET, SOURCE
from tests.data.datasets.reading import csv, labels, read

LOG = (
    "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,"
    "is_hate,long_view,play_time_ms,duration_ms,profile_stay_time,comment_stay_time,"
    "is_profile_enter,is_rand,tab"
)
USERS = (
    "user_id,user_active_degree,is_lowactive_period,is_live_streamer,is_video_author,"
    "follow_user_num,follow_user_num_range,fans_user_num,fans_user_num_range,friend_user_num,"
    "friend_user_num_range,register_days,register_days_range,"
    + ",".join(f"onehot_feat{number}" for number in range(18))
)
VIDEOS = (
    "video_id,author_id,video_type,upload_dt,upload_type,visible_status,video_duration,"
    "server_width,server_height,music_id,music_type,tag"
)
EARLY, LATE = "log_standard_4_08_to_4_21_pure.csv", "log_standard_4_22_to_5_08_pure.csv"
ONE_HOT = ",".join(str(number) for number in range(18))
USER_0 = f'0,full_active,0,1,1,514,500+,150,"[100,1k)",34,"[30,60)",799,730+,{ONE_HOT}'
VIDEO_5 = '5,70,NORMAL,2022-04-10,Web,0.0,900.0,720.0,1280.0,91,9.0,"39,68"'
TABLES = {
    "user_features_pure.csv": csv(USERS, USER_0),
    "video_features_basic_pure.csv": csv(VIDEOS, VIDEO_5),
}


def event(user: int, video: int, date: str, time: str, reactions: str = "1,0,0,0,0,0,1") -> str:
    return f"{user},{video},{date},{time},1650812741436,{reactions},61802,49866,7,8,1,0,4"


def files(early: str, late: str | None = None) -> dict[str, str]:
    logs = {EARLY: csv(LOG, early)} | ({LATE: csv(LOG, late)} if late else {})
    return TABLES | logs


def test_a_row_has_the_features_of_its_user_and_video(tmp_path: Path) -> None:
    rows, rejected = read(DATASET, tmp_path, files(event(0, 5, "20220421", "2359")))
    row = rows.row(0, named=True)
    assert (row["fans_user_num"], row["fans_user_num_range"]) == ("150", "[100,1k)")
    assert [row[f"onehot_feat{number}"] for number in range(18)] == [*map(str, range(18))]
    assert (row["author_id"], row["music_id"], row["tag"]) == ("70", "91", "39")
    assert (row["hour"], row["video_age_days"], row["tab"]) == (23, 11, "4")
    assert not rejected


def test_labels_are_the_reactions(tmp_path: Path) -> None:
    rows, _ = read(DATASET, tmp_path, files(event(0, 5, "20220421", "0", "1,0,1,0,1,0,1")))
    found = {task: labels(DATASET, rows, task)[0] for task in DATASET.tasks}
    assert list(found.values()) == [1, 0, 1, 0, 1, 0, 1]
    assert list(found) == LOG.split(",")[5:12]


def test_logs_are_read_in_the_order_of_their_dates(tmp_path: Path) -> None:
    rows, _ = read(
        DATASET, tmp_path, files(event(0, 5, "20220420", "100"), event(0, 5, "20220502", "100"))
    )
    assert rows["date"].to_list() == [20220420, 20220502]


def test_an_unknown_user_or_video_has_no_features(tmp_path: Path) -> None:
    rows, rejected = read(DATASET, tmp_path, files(event(3, 6, "20220421", "100")))
    assert rows.select("author_id", "video_age_days", "register_days").row(0) == (None,) * 3
    assert not rejected


def test_rows_without_a_date_or_a_time_are_rejected(tmp_path: Path) -> None:
    lines = [
        event(0, 5, "20220431", "100"),
        event(0, 5, "20220420", "2400"),
        event(0, 5, "20220420", ""),
        event(0, 5, "20220420", "0"),
    ]
    rows, rejected = read(DATASET, tmp_path, files("\n".join(lines)))
    assert len(rows) == 1
    assert rejected == [
        (2, "the date isn't one"),
        (3, "the time isn't one"),
        (4, "the time isn't one"),
    ]


def test_outcomes_and_future_information_are_not_features() -> None:
    columns = {*DATASET.dense, *DATASET.sparse}
    outcomes = {*LOG.split(",")[5:13], *LOG.split(",")[14:17], "visible_status", "date"}
    assert not columns & outcomes


def test_only_standard_logs_match_the_pattern() -> None:
    log = SOURCE.files[0]
    assert log.matches("log_standard_4_25_to_4_30_pure.csv")
    assert not log.matches("log_random_4_22_to_5_08_pure.csv")


def test_logs_that_share_a_day_are_an_error(tmp_path: Path) -> None:
    cut = {"log_standard_4_21_to_4_30_pure.csv": csv(LOG, event(0, 5, "20220425", "100"))}
    with pytest.raises(DataError, match="cover the same day"):
        read(DATASET, tmp_path, files(event(0, 5, "20220420", "100")) | cut)


def test_a_missing_log_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no log"):
        read(DATASET, tmp_path, TABLES)


def test_a_repeated_user_is_an_error(tmp_path: Path) -> None:
    twice = {"user_features_pure.csv": csv(USERS, USER_0, USER_0)}
    with pytest.raises(DataError, match="user_id more than once"):
        read(DATASET, tmp_path, files(event(0, 5, "20220420", "100")) | twice)
