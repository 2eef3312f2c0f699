"""Taobao's user behaviours of nine days in 2017: 100 million clicks, carts, favourites, purchases.

UserBehavior.csv has no header: user, item, category, behaviour (pv, cart, fav, buy), Unix seconds.
The log has no impressions; `emm.data.reading.behaviour` explains how it becomes rows. Days are
those of Beijing (UTC+8). Some events of the log are known to be outside of 2017-11-25 to
2017-12-03; they are rejected.
"""

from collections.abc import Iterator
from datetime import date

import polars as pl

from emm.data.datasets.dataset import Dataset, Task
from emm.data.datasets.source import RawFile, Source
from emm.data.datasets.split_rules import ByTime
from emm.data.reading.behaviour import BEHAVIOUR, DAY, ITEM, MISSING, USER, Log, daily_rows
from emm.data.reading.chunks import Chunk, Reading, without_faults
from emm.data.reading.delimited import read_delimited

SOURCE = Source(
    title="User Behavior Data from Taobao for Recommendation",
    homepage="https://tianchi.aliyun.com/dataset/649",
    doi=None,
    licence="terms of Tianchi dataset 649, for research",
    citation=(
        "Zhu, H., Li, X., Zhang, P., Li, G., He, J., Li, H., & Gai, K. (2018). Learning Tree-based "
        "Deep Model for Recommender Systems. KDD 2018, 1079-1088. "
        "https://doi.org/10.1145/3219819.3219826"
    ),
    files=(RawFile("UserBehavior.csv"),),
    urls=(),
    package=None,
    max_bytes=8 * 2**30,
    by_hand="sign in, get UserBehavior.csv.zip",
)

_CATEGORY, _TYPE, _TIME = "category_id", "behavior_type", "timestamp"
_TYPES = {"pv": "click", "cart": "cart", "fav": "favourite", "buy": "buy"}
_LOG = Log(
    attributes=(_CATEGORY,),
    behaviours=tuple(_TYPES.values()),
    counted=((USER,), (ITEM,), (_CATEGORY,), (USER, _CATEGORY)),
)
_FIRST, _LAST = date(2017, 11, 25), date(2017, 12, 3)
_UTC_OFFSET = 8 * 3600  # seconds, Beijing time


def _events(reading: Reading) -> Iterator[pl.DataFrame]:
    """Yield user, item, category, behaviour and day, counted from 0."""
    ids = pl.col(USER, ITEM, _CATEGORY).cast(pl.UInt32, strict=False)
    unusable = [
        pl.col(name).cast(pl.UInt32, strict=False).fill_null(MISSING) == MISSING
        for name in (USER, ITEM, _CATEGORY)
    ]
    behaviour = pl.col(_TYPE).replace_strict(
        list(_TYPES), range(len(_TYPES)), default=None, return_dtype=pl.UInt32
    )
    first = (_FIRST - date(1970, 1, 1)).days
    day = (pl.col(_TIME).cast(pl.Int64, strict=False) + _UTC_OFFSET) // 86_400 - first
    faults = {
        "an id isn't a whole number": pl.any_horizontal(unusable),
        f"the behaviour is none of {', '.join(_TYPES)}": behaviour.is_null(),
        f"not of the days {_FIRST} to {_LAST}": ~day.is_between(0, (_LAST - _FIRST).days),
    }
    columns = (USER, ITEM, _CATEGORY, _TYPE, _TIME)
    path = reading.raw / "UserBehavior.csv"
    for chunk in read_delimited(path, columns, ",", reading.rejected):
        rows = without_faults(chunk, faults, reading.rejected)
        yield rows.select(ids, behaviour.alias(BEHAVIOUR), day.alias(DAY))


def _read(reading: Reading, _part: str) -> Iterator[Chunk]:
    for rows in daily_rows(_events(reading), _LOG, reading.scratch):
        yield Chunk("UserBehavior.csv", rows)


DATASET = Dataset(
    name="userbehavior-2017",
    source=SOURCE,
    dense=_LOG.counts,
    sparse=(USER, ITEM, _CATEGORY),
    tasks={task: Task(pl.col(task), made_from=(task,)) for task in _LOG.behaviours},
    read=_read,
    parts=("all",),
    split=ByTime(DAY, validation=0.15, test=0.15),
)
