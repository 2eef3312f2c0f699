"""KuaiRand-Pure: short videos that Kuaishou recommended, and seven kinds of user reactions.

The rows are those of the standard logs in the order of their dates; logs of fewer days are
accepted. Features are what is known when a video is shown. Left out are the outcomes (play time,
stay times, profile visits, other reactions), the log of random exposures, and
video_features_statistic and the visibility of a video, which may contain information from the
future. The publisher doesn't state the date of the user features.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import polars as pl

from emm.core.errors import DataError
from emm.data.datasets.dataset import Dataset, Task
from emm.data.datasets.source import RawFile, Source
from emm.data.datasets.split_rules import ByTime
from emm.data.reading.chunks import LINE, Chunk, Reading, without_faults
from emm.data.reading.delimited import read_delimited
from emm.data.reading.text_file import CHECK_RAW_FILE

SOURCE = Source(
    title="KuaiRand-Pure",
    homepage="https://zenodo.org/records/10439422",
    doi="10.5281/zenodo.10439422",
    licence="CC BY-SA 4.0",
    citation=(
        "Gao, C., Li, S., Zhang, Y., Chen, J., Li, B., Lei, W., Jiang, P., & He, X. (2022). "
        "KuaiRand: An Unbiased Sequential Recommendation Dataset with Randomly Exposed Videos. "
        "CIKM 2022, 3953-3957. https://doi.org/10.1145/3511808.3557624"
    ),
    files=(
        RawFile("log_standard_*_pure.csv", pattern=True),
        RawFile("user_features_pure.csv"),
        RawFile("video_features_basic_pure.csv"),
    ),
    urls=("https://zenodo.org/records/10439422/files/KuaiRand-Pure.tar.gz",),
    package=None,
    max_bytes=2 * 2**30,
    by_hand="the file KuaiRand-Pure.tar.gz",
)

_TASKS = (
    "is_click",
    "is_like",
    "is_follow",
    "is_comment",
    "is_forward",
    "is_hate",
    "long_view",
)
_LOG = ("user_id", "video_id", "date", "hourmin", "duration_ms", "tab", *_TASKS)
_USER_COUNTS = ("follow_user_num", "fans_user_num", "friend_user_num", "register_days")
_USER_SPARSE = (
    "user_active_degree",
    "is_lowactive_period",
    "is_live_streamer",
    "is_video_author",
    *(f"{name}_range" for name in _USER_COUNTS),
    *(f"onehot_feat{number}" for number in range(18)),
)
_VIDEO_SPARSE = ("author_id", "video_type", "upload_type", "music_id", "music_type", "tag")
_UPLOADED = "upload_dt"
_PERIOD = re.compile(r"log_standard_(\d+)_(\d+)_to_(\d+)_(\d+)_pure\.csv")


def _read(reading: Reading, _part: str) -> Iterator[Chunk]:
    users = _features(reading, "user_features_pure.csv", "user_id", (*_USER_SPARSE, *_USER_COUNTS))
    videos = _features(
        reading, "video_features_basic_pure.csv", "video_id", (*_VIDEO_SPARSE, _UPLOADED)
    ).with_columns(pl.col("tag").str.split(",").list.first(), _day(_UPLOADED, "%Y-%m-%d"))
    date = _day("date", "%Y%m%d")
    hour = pl.col("hourmin").cast(pl.UInt32, strict=False) // 100
    faults = {"the date isn't one": date.is_null(), "the time isn't one": ~(hour < 24)}
    for path in _logs(reading.raw):
        chunks = read_delimited(path, _LOG, ",", reading.rejected, header=True)
        for chunk in chunks:
            rows = without_faults(chunk, faults, reading.rejected)
            rows = rows.join(users, on="user_id", how="left", maintain_order="left")
            rows = rows.join(videos, on="video_id", how="left", maintain_order="left")
            age = (date - pl.col(_UPLOADED)).dt.total_days()
            yield Chunk(
                chunk.file,
                rows.with_columns(
                    hour.alias("hour"),
                    age.alias("video_age_days"),
                    pl.col("date").cast(pl.UInt32),
                ).drop("hourmin", _UPLOADED),
            )


def _logs(raw: Path) -> list[Path]:
    """The logs in the order of the days in their names; DataError if two share a day."""
    found = sorted(
        (tuple(map(int, match.groups())), path)
        for path in raw.glob("log_standard_*_pure.csv")
        if (match := _PERIOD.fullmatch(path.name))
    )
    expected = "names such as log_standard_4_08_to_4_21_pure.csv"
    if not found:
        raise DataError("there is no log", where=raw, expected=expected, next_step=CHECK_RAW_FILE)
    for (earlier, first), (later, second) in pairwise(found):
        if later[:2] <= earlier[2:]:
            raise DataError(
                "two logs cover the same day",
                where=raw,
                got=f"{first.name} and {second.name}",
                expected="each day in one log",
                next_step="keep one of them, then `dvc repro`",
            )
    return [path for _, path in found]


def _features(reading: Reading, name: str, key: str, columns: tuple[str, ...]) -> pl.DataFrame:
    """Read a file of features with one row per key."""
    chunks = read_delimited(
        reading.raw / name, (key, *columns), ",", reading.rejected, header=True, quotes=True
    )
    features = pl.concat(chunk.rows for chunk in chunks).drop(LINE)
    twice = features.filter(pl.col(key).is_duplicated())
    if len(twice):
        raise DataError(
            f"{name} has a {key} more than once",
            where=reading.raw / name,
            got=f"{key} {twice[key][0]}",
            next_step=CHECK_RAW_FILE,
        )
    return features


def _day(column: str, form: str) -> pl.Expr:
    return pl.col(column).str.to_date(form, strict=False)


DATASET = Dataset(
    name="kuairand-pure",
    source=SOURCE,
    dense=("duration_ms", "video_age_days", *_USER_COUNTS),
    sparse=("user_id", "video_id", "tab", "hour", *_VIDEO_SPARSE, *_USER_SPARSE),
    tasks={task: Task(pl.col(task), made_from=(task,)) for task in _TASKS},
    read=_read,
    parts=("all",),
    split=ByTime("date", validation=0.15, test=0.15),
)
