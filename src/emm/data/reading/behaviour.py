"""Rows for learning from a log of behaviours: what a user does with an item on a day.

A log of clicks, carts, favourites and purchases says what users did, and not what they were shown.
The usual construction gives it rows that did not lead to anything:

- one row per user, item and day of which the log has an event; its labels are what was done then;
- beside each of these one sampled row: the same user and day, and an item of a random event of the
  days before (so items come by their popularity up to then), with all labels 0. It is dropped if
  the user had to do with the item on that day after all.

Features of a row are counts of events of the days before, never of its own day or later. An item
has rows from the day after its first event on: sampled items have a past, and one without would
give itself away. So the log's first day is history only. A model of clicks here learns what a user
turns to among what is popular, rather than what is clicked of what is seen.

Memory grows with the number of distinct users, items and pairs that are counted, and with the
events of one day; not with the number of days.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

USER, ITEM, DAY, BEHAVIOUR = "user_id", "item_id", "day", "behaviour"
MISSING = 2**32 - 1  # an item's attribute that the log lacks; null in rows
_SLICE = 250_000  # rows that are completed at a time, without the sampled ones
_SEED = 20171125  # of the sampled items: part of what the dataset is

Ids = NDArray[np.uint64]
Numbers = NDArray[np.uint32]


@dataclass(frozen=True)
class Log:
    """What a log holds: item attributes, behaviours by number, and by what its events are counted.

    ``counted`` has one or two columns an entry: ("user_id",), ("user_id", "category_id").
    """

    attributes: tuple[str, ...]
    behaviours: tuple[str, ...]
    counted: tuple[tuple[str, ...], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Of an event, without its day."""
        return (USER, ITEM, *self.attributes, BEHAVIOUR)

    @property
    def counts(self) -> tuple[str, ...]:
        """Names of the count features, one for each of ``counted`` and each behaviour."""
        return tuple(
            f"{'_'.join(name.removesuffix('_id') for name in columns)}_{behaviour}_count"
            for columns in self.counted
            for behaviour in self.behaviours
        )


def daily_rows(events: Iterable[pl.DataFrame], log: Log, scratch: Path) -> Iterator[pl.DataFrame]:
    """Rows of all days but the first, in the order of the days, in frames of bounded size.

    ``events`` holds ``log.columns`` and a day, whole numbers from 0 to 2^32 - 2, in any order of
    the days (``behaviour`` counts from 0; null only in attributes). Rows hold user, item,
    attributes and day, one label a behaviour (UInt8) and ``log.counts``. ``scratch``: an empty
    folder, which is empty again at the end.
    """
    days = _by_day(events, log, scratch)
    history = _History(log)
    for number, day in enumerate(days):
        records = np.fromfile(scratch / f"{day}", dtype=np.uint32)
        today = pl.from_numpy(
            records.reshape(-1, len(log.columns)), schema=dict.fromkeys(log.columns, pl.UInt32)
        )
        if number:
            yield from _rows_of(day, today, log, history)
        history.add(today)
        (scratch / f"{day}").unlink()


def _by_day(events: Iterable[pl.DataFrame], log: Log, scratch: Path) -> list[int]:
    """Append each event to its day's file of 32-bit numbers; gives the days in order."""
    days = set()
    for frame in events:
        for (day,), rows in frame.partition_by(DAY, as_dict=True).items():
            numbers = rows.select(pl.col(log.columns).cast(pl.UInt32).fill_null(MISSING))
            with (scratch / f"{day}").open("ab") as file:
                file.write(np.ascontiguousarray(numbers.to_numpy()).tobytes())
            days.add(int(day))
    return sorted(days)


def _rows_of(
    day: int, today: pl.DataFrame, log: Log, history: "_History"
) -> Iterator[pl.DataFrame]:
    done = today.with_columns(
        (pl.col(BEHAVIOUR) == number).cast(pl.UInt8).alias(name)
        for number, name in enumerate(log.behaviours)
    )
    touched = done.group_by(USER, ITEM, maintain_order=True).agg(
        *(pl.col(name).first() for name in log.attributes),
        *(pl.col(name).max() for name in log.behaviours),
    )
    pairs = np.sort(_keys(touched, (USER, ITEM)))
    touched = touched.filter(pl.Series(history.knows(touched)))
    generator = np.random.default_rng((_SEED, day))
    for part in touched.iter_slices(_SLICE):
        sampled = history.sample(part[USER], generator).with_columns(
            *(pl.lit(0, dtype=pl.UInt8).alias(name) for name in log.behaviours)
        )
        keys = _keys(sampled, (USER, ITEM))
        new = ~_find(pairs, keys)[1]
        rows = pl.concat([part, sampled.filter(pl.Series(new))])
        yield rows.with_columns(
            *history.counts(rows), pl.lit(day, dtype=pl.UInt32).alias(DAY)
        ).with_columns(pl.col(name).replace(MISSING, None) for name in log.attributes)


class _History:
    """Counts of the events of all days so far, and the attributes of their items."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.tables = {columns: _Table(len(log.behaviours)) for columns in log.counted}
        self.popularity = _Table(1)
        self.attributes = _Table(len(log.attributes))

    def add(self, today: pl.DataFrame) -> None:
        """Count a day's events."""
        width = len(self.log.behaviours)
        behaviour = today[BEHAVIOUR].to_numpy()
        for columns, table in self.tables.items():
            keys, which = np.unique(_keys(today, columns), return_inverse=True)
            counts = np.bincount(which * width + behaviour, minlength=width * len(keys))
            table.add(keys, counts.reshape(-1, width))  # [keys, behaviours]
        items = today.group_by(ITEM).agg(pl.len(), pl.col(self.log.attributes).first()).sort(ITEM)
        keys = _keys(items, (ITEM,))
        self.popularity.add(keys, items.select("len").to_numpy())
        self.attributes.keep_first(keys, items.select(self.log.attributes).to_numpy())

    def knows(self, rows: pl.DataFrame) -> NDArray[np.bool_]:
        """Whether each row's item has had an event."""
        return _find(self.popularity.keys, _keys(rows, (ITEM,)))[1]

    def sample(self, users: pl.Series, generator: np.random.Generator) -> pl.DataFrame:
        """One item a user, each by its share of the events, with its attributes."""
        until = np.cumsum(self.popularity.values[:, 0], dtype=np.int64)
        places = _places(until, generator.integers(0, until[-1], size=len(users)), "right")
        items = self.popularity.keys[places]
        attributes = self.attributes.of(items)  # [rows, attributes]
        return pl.DataFrame(
            {USER: users, ITEM: items.astype(np.uint32)}
            | {name: attributes[:, n] for n, name in enumerate(self.log.attributes)}
        )

    def counts(self, rows: pl.DataFrame) -> Iterator[pl.Series]:
        """The count features of rows, in the order of ``log.counts``."""
        names = iter(self.log.counts)
        for columns, table in self.tables.items():
            values = table.of(_keys(rows, columns))  # [rows, behaviours]
            for number in range(values.shape[1]):
                yield pl.Series(next(names), values[:, number])


class _Table:
    """Sorted keys, each with a row of numbers."""

    def __init__(self, width: int) -> None:
        self.keys: Ids = np.empty(0, np.uint64)
        self.values: Numbers = np.empty((0, width), np.uint32)

    def of(self, keys: Ids) -> Numbers:
        """The numbers of any keys, 0 for those that aren't here."""
        places, found = _find(self.keys, keys)
        values: Numbers = np.zeros((len(keys), self.values.shape[1]), np.uint32)
        values[found] = self.values[places[found]]
        return values

    def add(self, keys: Ids, values: NDArray[Any]) -> None:
        """Add to the numbers of sorted, distinct keys."""
        places, found = _find(self.keys, keys)
        self.values[places[found]] += values[found].astype(np.uint32)
        self._insert(keys, values, places, ~found)

    def keep_first(self, keys: Ids, values: NDArray[Any]) -> None:
        """Take in sorted, distinct keys that aren't here yet."""
        places, found = _find(self.keys, keys)
        self._insert(keys, values, places, ~found)

    def _insert(
        self, keys: Ids, values: NDArray[Any], places: NDArray[np.intp], new: NDArray[np.bool_]
    ) -> None:
        self.keys = np.insert(self.keys, places[new], keys[new])
        self.values = np.insert(self.values, places[new], values[new].astype(np.uint32), axis=0)


def _find(among: Ids, keys: Ids) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Where each key belongs in a sorted array, and whether it is there."""
    places = _places(among, keys, "left")
    found = np.zeros(len(keys), dtype=bool)
    inside = places < len(among)
    found[inside] = among[places[inside]] == keys[inside]
    return places, found


def _places(
    among: NDArray[Any], values: NDArray[Any], side: Literal["left", "right"]
) -> NDArray[np.intp]:
    """As `numpy.searchsorted`, but in the order of the values: far faster in large arrays."""
    order = np.argsort(values)
    places = np.empty(len(values), np.intp)
    places[order] = np.searchsorted(among, values[order], side=side)
    return places


def _keys(rows: pl.DataFrame, columns: Sequence[str]) -> Ids:
    """One number for a row's one or two ids."""
    keys = rows[columns[0]].to_numpy().astype(np.uint64)
    for name in columns[1:]:
        keys = keys << np.uint64(32) | rows[name].to_numpy().astype(np.uint64)
    return keys
