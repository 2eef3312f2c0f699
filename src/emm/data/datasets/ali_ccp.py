"""Ali-CCP: impressions of Taobao's recommender.

Ma et al., Entire Space Multi-Task Model, SIGIR 2018. A line of the skeleton file is an impression.
Its key refers to a line of the common features file, the features of a user that hundreds of
impressions share. Both kinds of line end in a list of items (`emm.data.reading.items`).

Rows with a purchase but no click are left out, as in the EMM paper. They are well formed and don't
count as rejected. "click-and-purchase" therefore equals "purchase"; it is the task known as CTCVR
in the literature.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from emm.data.datasets.dataset import Dataset, Task
from emm.data.datasets.source import RawFile, Source
from emm.data.datasets.split_rules import Halved
from emm.data.reading.chunks import LINE, Chunk, Reading
from emm.data.reading.delimited import read_delimited
from emm.data.reading.item_blocks import read_block
from emm.data.reading.items import CONTROLS, FAULT, Fields, bag_column, parse_lists
from emm.data.reading.prefetch import prefetch
from emm.data.reading.rejected import Rejected

_HOMEPAGE = "https://tianchi.aliyun.com/dataset/408"
_LICENCE = "terms of Tianchi dataset 408, shown on its page"
_CITATION = (
    "Ma, X. et al. (2018). Entire Space Multi-Task Model: An Effective Approach for Estimating "
    "Post-Click Conversion Rate. SIGIR. https://doi.org/10.1145/3209978.3210104"
)

SOURCE = Source(
    title="Ali-CCP: Alibaba Click and Conversion Prediction",
    homepage=_HOMEPAGE,
    doi="10.1145/3209978.3210104",
    licence=_LICENCE,
    citation=_CITATION,
    files=tuple(
        RawFile(f"{kind}_{part}.csv")
        for part in ("train", "test")
        for kind in ("sample_skeleton", "common_features")
    ),
    urls=(),
    package=None,
    max_bytes=128 * 2**30,
    by_hand="sign in, accept the terms, download sample_train.tar.gz and sample_test.tar.gz; "
    "they may stay packed",
)

PREPROCESSED_SOURCE = Source(
    title="Ali-CCP in 33 columns",
    homepage=_HOMEPAGE,
    doi="10.1145/3209978.3210104",
    licence=_LICENCE,
    citation=_CITATION,
    files=tuple(RawFile(f"ali_ccp_{part}.csv") for part in ("train", "val", "test")),
    urls=(),
    package=None,
    max_bytes=64 * 2**30,
    by_hand="the files ali_ccp_train.csv, ali_ccp_val.csv and ali_ccp_test.csv that others have "
    "made from the published ones, with one column per field",
)

_BAGS = ("109_14", "110_14", "127_14", "150_14")
_USER = Fields(
    names=("101", "121", "122", "124", "125", "126", "127", "128", "129", *_BAGS), valued=_BAGS
)
_COMBINED = ("508", "509", "702", "853")
_ITEM = Fields(
    names=("205", "206", "207", "210", "216", *_COMBINED, "301"),
    valued=_COMBINED,
)
_DENSE = tuple(f"D{name}" for name in (*_BAGS, *_COMBINED))
_SPARSE = (*_USER.names[:9], *_ITEM.names, *_BAGS)

_KEY, _USER_ROW = "common_feature_index", "__place"
_LIST = ("feature_num", "feature_list")
_LABELS = ("click", "purchase")
_SKELETON = ("sample_id", *_LABELS, _KEY, *_LIST)
_COMMON = (_KEY, *_LIST)
_NUMBERS = pl.col(_LABELS).cast(pl.Float64, strict=False)
_PREPROCESSED = (*_LABELS, *_SPARSE, *_DENSE)


@dataclass(frozen=True)
class _Users:
    """The common features: the rows, and the row number of each key."""

    rows: pl.DataFrame
    numbers: dict[str, int]


def _read(reading: Reading, part: str) -> Iterator[Chunk]:
    users = _users(reading, part)
    path = reading.raw / f"sample_skeleton_{part}.csv"
    lines = _lines(path, _SKELETON, _ITEM, reading.rejected)
    unknown = _where(pl.col(_USER_ROW).is_null(), "the common features have no such key")
    for file, rows in lines:
        joined = Chunk(file, rows.with_columns(_user_rows(users, rows[_KEY])))
        good = _without_paradoxes(_usable(joined, unknown, _SKELETON, reading.rejected))
        if len(good):
            item = good.select(LINE, _NUMBERS, *_ITEM.columns, *([_KEY] if reading.bags else []))
            yield Chunk(file, pl.concat([item, users.rows[good[_USER_ROW]]], how="horizontal"))


def _users(reading: Reading, part: str) -> _Users:
    """Read all common features into memory, a few hundred bytes per user."""
    path = reading.raw / f"common_features_{part}.csv"
    lines = _lines(path, _COMMON, _USER, reading.rejected)
    unnamed = _where(pl.col(_KEY).is_null(), "the key is empty")
    double = _where(pl.col(_USER_ROW).is_null(), "an earlier line has the same key")
    users, keys = [], dict[str, int]()
    for file, rows in lines:
        named = _usable(Chunk(file, rows), unnamed, _COMMON, reading.rejected)
        numbers = [_enter(keys, key) for key in named[_KEY]]
        numbered = Chunk(file, named.with_columns(pl.Series(_USER_ROW, numbers, dtype=pl.UInt32)))
        good = _usable(numbered, double, _COMMON, reading.rejected)
        users.append(good.select(_USER.columns))
    return _Users(pl.concat(users, rechunk=True), keys)


def _user_rows(users: _Users, keys: pl.Series) -> pl.Series:
    """Row number of each key, null if unknown; a run of equal keys is looked up once."""
    runs = keys.rle().struct
    numbers = [users.numbers.get(key) for key in runs.field("value").to_list()]
    run = np.repeat(np.arange(len(numbers)), runs.field("len").to_numpy())
    return pl.Series(_USER_ROW, numbers, dtype=pl.UInt32).gather(run)


def _read_bags(reading: Reading, part: str) -> Iterator[Chunk]:
    """Read the bags of each user; `_users` has already rejected malformed lines."""
    path = reading.raw / f"common_features_{part}.csv"
    fields = Fields(_USER.names, bags=_BAGS)
    names = [bag_column(name) for name in _BAGS]
    for file, rows in _lines(path, _COMMON, fields, Rejected(DATASET.name, 1.0)):
        good = rows.filter(pl.col(FAULT).is_null()) if FAULT in rows.columns else rows
        yield Chunk(file, good.select(_KEY, *names))


def _enter(keys: dict[str, int], key: str) -> int | None:
    """Assign the next row number to a key; None if the key has one."""
    row = len(keys)
    return row if keys.setdefault(key, row) == row else None


def _lines(
    path: Path, columns: Sequence[str], fields: Fields, rejected: Rejected
) -> Iterator[Chunk]:
    """Read a file's lines with the columns of their lists, and `FAULT` where some are faulty."""
    parser = partial(read_block, columns=columns[:-1], fields=fields)
    chunks = read_delimited(path, columns, ",", rejected, controls=CONTROLS, fast_parser=parser)
    yield from prefetch(partial(_with_lists, fields=fields), chunks)


def _with_lists(chunk: Chunk, fields: Fields) -> Chunk:
    if _LIST[1] not in chunk.rows.columns:  # parsed by `read_block`
        return chunk
    stated, lists = chunk.rows.select(_LIST)
    columns = parse_lists(lists, stated, fields)
    return Chunk(chunk.file, pl.concat([chunk.rows, columns], how="horizontal"))


def _where(wrong: pl.Expr, reason: str) -> pl.Expr:
    return pl.when(wrong).then(pl.lit(reason))


def _usable(chunk: Chunk, fault: pl.Expr, raw: Sequence[str], rejected: Rejected) -> pl.DataFrame:
    """Return the rows without a fault, in their list or by ``fault``; reject the others."""
    in_list = [FAULT] if FAULT in chunk.rows.columns else []
    faults = chunk.rows.select(pl.coalesce(*in_list, fault).alias(FAULT)).to_series()
    bad = faults.is_not_null()
    good = chunk.rows.drop(in_list)
    if not bad.any():
        return good
    wrong = chunk.rows.filter(bad)
    shown = pl.col(name for name in raw if name in wrong.columns).cast(pl.String).fill_null("")
    texts = wrong.select(pl.concat_str(shown, separator=",")).to_series()
    rejected.add(chunk.file, wrong[LINE], faults.filter(bad), texts)
    return good.filter(~bad)


def _without_paradoxes(rows: pl.DataFrame) -> pl.DataFrame:
    """Drop purchases without a click."""
    click, purchase = (pl.col(name).cast(pl.Float64, strict=False) for name in _LABELS)
    paradox = (click == 0) & (purchase == 1)
    return rows.filter(~paradox.fill_null(value=False))


def _read_preprocessed(reading: Reading, part: str) -> Iterator[Chunk]:
    for name in {"train": ("train",), "test": ("val", "test")}[part]:
        path = reading.raw / f"ali_ccp_{name}.csv"
        for file, rows in read_delimited(path, _PREPROCESSED, ",", reading.rejected, header=True):
            ids = {name: pl.col(name).cast(pl.UInt32, strict=False) for name in _SPARSE}
            stray = pl.any_horizontal(
                pl.col(name).is_not_null() & id_.is_null() for name, id_ in ids.items()
            )
            fault = _where(stray, "a sparse value that isn't a whole number")
            good = _usable(Chunk(file, rows), fault, _PREPROCESSED, reading.rejected)
            kept = _without_paradoxes(good).with_columns(**ids)
            if len(kept):
                yield Chunk(file, kept)


_TASKS = {
    "purchase": Task(pl.col("purchase"), made_from=("purchase",)),
    "click": Task(pl.col("click"), made_from=("click",)),
    "click-and-purchase": Task(
        pl.col("click").cast(pl.Float64, strict=False)
        * pl.col("purchase").cast(pl.Float64, strict=False),
        made_from=_LABELS,
    ),
}

DATASET = Dataset(
    name="ali-ccp",
    source=SOURCE,
    dense=_DENSE,
    sparse=_SPARSE,
    tasks=_TASKS,
    read=_read,
    split=Halved(),
    bags=tuple(bag_column(name) for name in _BAGS),
    bag_key=_KEY,
    read_bags=_read_bags,
)

PREPROCESSED = Dataset(
    name="ali-ccp-preprocessed",
    source=PREPROCESSED_SOURCE,
    dense=_DENSE,
    sparse=_SPARSE,
    tasks=_TASKS,
    read=_read_preprocessed,
    split=Halved(),
)
