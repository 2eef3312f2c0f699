"""IJCAI-15: half a year of Tmall's users, up to the sale of 11 November 2014.

user_log_format1.csv has one event per line: a click, cart, purchase or favourite of an item on a
day (mmdd). user_info_format1.csv has age range and gender. The log has no impressions;
`emm.data.reading.behaviour` explains how it becomes rows. Clicks and carts of a row's own day are
not features.
"""

from collections.abc import Iterator

import polars as pl

from emm.core.errors import DataError
from emm.data.datasets.dataset import Dataset, Task
from emm.data.datasets.source import RawFile, Source
from emm.data.datasets.split_rules import ByTime
from emm.data.reading.behaviour import BEHAVIOUR, DAY, ITEM, MISSING, USER, Log, daily_rows
from emm.data.reading.chunks import Chunk, Reading, without_faults
from emm.data.reading.delimited import read_delimited
from emm.data.reading.text_file import CHECK_RAW_FILE

_EVENTS, _USERS = "user_log_format1.csv", "user_info_format1.csv"

SOURCE = Source(
    title="IJCAI-15 repeat buyers (Tmall)",
    homepage="https://tianchi.aliyun.com/dataset/47",
    doi=None,
    licence="terms of Tianchi dataset 47, for research",
    citation="Tianchi (2018). IJCAI-15 Dataset. https://tianchi.aliyun.com/dataset/47",
    files=(RawFile(_EVENTS), RawFile(_USERS)),
    urls=(),
    package=None,
    max_bytes=8 * 2**30,
    by_hand=f"sign in, get data_format1.zip, which holds {_EVENTS} and {_USERS}",
)

_CATEGORY, _SELLER, _BRAND = "cat_id", "seller_id", "brand_id"
_TIME, _TYPE = "time_stamp", "action_type"
_ABOUT_USER = ("age_range", "gender")
_LOG = Log(
    attributes=(_CATEGORY, _SELLER, _BRAND),
    behaviours=("click", "cart", "purchase", "favourite"),
    counted=((USER,), (ITEM,), (_CATEGORY,), (_SELLER,), (USER, _CATEGORY), (USER, _SELLER)),
)
_FIRST, _LAST = 511, 1112


def _whole(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.UInt32, strict=False)


def _events(reading: Reading) -> Iterator[pl.DataFrame]:
    ids = (USER, ITEM, *_LOG.attributes)
    # Some items have no brand: it is the only id that may be missing.
    unusable = [
        (_whole(name).fill_null(MISSING) == MISSING)
        & (pl.col(name).is_not_null() if name == _BRAND else True)
        for name in ids
    ]
    day, behaviour = _whole(_TIME), _whole(_TYPE)
    dates = day.is_between(_FIRST, _LAST) & (day % 100).is_between(1, 31)
    faults = {
        "an id isn't a whole number": pl.any_horizontal(unusable),
        "the action is none of 0 to 3": ~(behaviour < len(_LOG.behaviours)),
        f"not of the days {_FIRST:04} to {_LAST:04}": ~dates,
    }
    columns = (*ids, _TIME, _TYPE)
    path = reading.raw / _EVENTS
    for chunk in read_delimited(path, columns, ",", reading.rejected, header=True):
        rows = without_faults(chunk, faults, reading.rejected)
        yield rows.select(*map(_whole, ids), behaviour.alias(BEHAVIOUR), day.alias(DAY))


def _users(reading: Reading) -> pl.DataFrame:
    """Read age range and gender by user."""
    path, columns = reading.raw / _USERS, (USER, *_ABOUT_USER)
    faults = {"the user isn't a whole number": _whole(USER).is_null()}
    users = pl.concat(
        without_faults(chunk, faults, reading.rejected).select(_whole(USER), *_ABOUT_USER)
        for chunk in read_delimited(path, columns, ",", reading.rejected, header=True)
    )
    twice = users.filter(pl.col(USER).is_duplicated())
    if len(twice):
        raise DataError(
            f"{_USERS} has a user more than once",
            where=path,
            got=f"user {twice[USER][0]}",
            next_step=CHECK_RAW_FILE,
        )
    return users


def _read(reading: Reading, _part: str) -> Iterator[Chunk]:
    users = _users(reading)
    for rows in daily_rows(_events(reading), _LOG, reading.scratch):
        yield Chunk(_EVENTS, rows.join(users, on=USER, how="left", maintain_order="left"))


DATASET = Dataset(
    name="ijcai-2015",
    source=SOURCE,
    dense=_LOG.counts,
    sparse=(USER, ITEM, *_LOG.attributes, *_ABOUT_USER),
    tasks={
        task: Task(pl.col(task), made_from=_LOG.behaviours) for task in ("purchase", "favourite")
    },
    read=_read,
    parts=("all",),
    # A day is never divided, and the day of the sale, which test must hold, is a fifth of the log.
    split=ByTime(DAY, validation=0.15, test=0.25),
)
