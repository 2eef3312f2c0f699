"""Labelled rows from a log of behaviours: what a user did with an item on a day.

A log of clicks, carts, favourites and purchases records what users did, not what they were shown.
Negative examples are sampled in the usual way:

- One row per user, item and day with an event in the log. Its labels are that day's behaviours.
- For each of these, one sampled row with the same user and day and the item of a random event of
  an earlier day, so that items are drawn by their popularity so far. All of its labels are 0. It
  is dropped if the user has an event with the item on that day.

Features are counts of events of earlier days, never of the row's own day or later. An item has
rows only from the day after its first event: every sampled item has a history, so a row whose
item has none would reveal that it isn't a sampled one. The first day of the log is therefore
history only. A click model trained on these rows learns which popular items a user turns to, not
which of the items on display are clicked.

Memory grows with the number of distinct users, items and counted pairs, and with the events of
one day, but not with the number of days.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

USER, ITEM, DAY, BEHAVIOUR = "user_id", "item_id", "day", "behaviour"
MISSING = 2**32 - 1  # stands for a missing attribute of an item; null in the rows
_SLICE = 250_000  # rows processed at a time, sampled ones not counted
_SEED = 20171125  # for sampling items; part of the dataset's definition

Ids = NDArray[np.uint64]
Numbers = NDArray[np.uint32]


@dataclass(frozen=True)
class Log:
    """Columns of a log.

    Args:
        attributes: columns with attributes of the item.
        behaviours: names of the behaviours, in the order of their numbers in the log.
        counted: columns by which events are counted, one or two per entry, such as
            ("user_id",) or ("user_id", "category_id").
    """

    attributes: tuple[str, ...]
    behaviours: tuple[str, ...]
    counted: tuple[tuple[str, ...], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of an event without its day."""
        return (USER, ITEM, *self.attributes, BEHAVIOUR)

    @property
    def counts(self) -> tuple[str, ...]:
        """Names of the count features: one for each entry of ``counted`` and each behaviour."""
        return tuple(
            f"{'_'.join(name.removesuffix('_id') for name in columns)}_{behaviour}_count"
            for columns in self.counted
            for behaviour in self.behaviours
        )


def daily_rows(events: Iterable[pl.DataFrame], log: Log, scratch: Path) -> Iterator[pl.DataFrame]:
    """Yield the rows of all days but the first, day by day, in frames of bounded size.

    Args:
        events: columns ``log.columns`` and ``DAY`` with whole numbers from 0 to 2^32 - 2, in any
            order of the days. ``behaviour`` counts from 0. Only attributes may be null.
        scratch: an empty folder for temporary files, which are deleted again.

    The rows have user, item, attributes, day, one label per behaviour (UInt8) and ``log.counts``.
    """
    days = _write_days(events, log, scratch)
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


def _write_days(events: Iterable[pl.DataFrame], log: Log, scratch: Path) -> list[int]:
    """Write the events to one file of 32-bit numbers per day; return the days in order."""
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
        self.counters = {columns: _Lookup(len(log.behaviours)) for columns in log.counted}
        self.popularity = _Lookup(1)
        self.attributes = _Lookup(len(log.attributes))

    def add(self, today: pl.DataFrame) -> None:
        """Add a day's events."""
        width = len(self.log.behaviours)
        behaviour = today[BEHAVIOUR].to_numpy()
        for columns, counter in self.counters.items():
            keys, which = np.unique(_keys(today, columns), return_inverse=True)
            counts = np.bincount(which * width + behaviour, minlength=width * len(keys))
            counter.add(keys, counts.reshape(-1, width))  # [keys, behaviours]
        items = today.group_by(ITEM).agg(pl.len(), pl.col(self.log.attributes).first()).sort(ITEM)
        keys = _keys(items, (ITEM,))
        self.popularity.add(keys, items.select("len").to_numpy())
        self.attributes.keep_first(keys, items.select(self.log.attributes).to_numpy())

    def knows(self, rows: pl.DataFrame) -> NDArray[np.bool_]:
        """Whether each row's item has an event on an earlier day."""
        return _find(self.popularity.keys, _keys(rows, (ITEM,)))[1]

    def sample(self, users: pl.Series, generator: np.random.Generator) -> pl.DataFrame:
        """Draw one item with its attributes for each user, in proportion to its events."""
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
        for columns, counter in self.counters.items():
            values = counter.of(_keys(rows, columns))  # [rows, behaviours]
            for number in range(values.shape[1]):
                yield pl.Series(next(names), values[:, number])


class _Lookup:
    """A map from keys to vectors of numbers, as arrays sorted by key."""

    def __init__(self, width: int) -> None:
        self.keys: Ids = np.empty(0, np.uint64)
        self.values: Numbers = np.empty((0, width), np.uint32)

    def of(self, keys: Ids) -> Numbers:
        """The numbers of ``keys``, 0 for unknown ones."""
        places, found = _find(self.keys, keys)
        values: Numbers = np.zeros((len(keys), self.values.shape[1]), np.uint32)
        values[found] = self.values[places[found]]
        return values

    def add(self, keys: Ids, values: NDArray[Any]) -> None:
        """Add ``values`` to the numbers of sorted, distinct ``keys``."""
        places, found = _find(self.keys, keys)
        self.values[places[found]] += values[found].astype(np.uint32)
        self._insert(keys, values, places, ~found)

    def keep_first(self, keys: Ids, values: NDArray[Any]) -> None:
        """Set the numbers of those sorted, distinct ``keys`` that are new."""
        places, found = _find(self.keys, keys)
        self._insert(keys, values, places, ~found)

    def _insert(
        self, keys: Ids, values: NDArray[Any], places: NDArray[np.intp], new: NDArray[np.bool_]
    ) -> None:
        self.keys = np.insert(self.keys, places[new], keys[new])
        self.values = np.insert(self.values, places[new], values[new].astype(np.uint32), axis=0)


def _find(among: Ids, keys: Ids) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """The position of each key in a sorted array, and whether the array holds it."""
    places = _places(among, keys, "left")
    found = np.zeros(len(keys), dtype=bool)
    inside = places < len(among)
    found[inside] = among[places[inside]] == keys[inside]
    return places, found


def _places(
    among: NDArray[Any], values: NDArray[Any], side: Literal["left", "right"]
) -> NDArray[np.intp]:
    """Like `numpy.searchsorted`, but on sorted values, which is far faster in large arrays."""
    order = np.argsort(values)
    places = np.empty(len(values), np.intp)
    places[order] = np.searchsorted(among, values[order], side=side)
    return places


def _keys(rows: pl.DataFrame, columns: Sequence[str]) -> Ids:
    """Combine the one or two ids of each row into one number."""
    keys = rows[columns[0]].to_numpy().astype(np.uint64)
    for name in columns[1:]:
        keys = keys << np.uint64(32) | rows[name].to_numpy().astype(np.uint64)
    return keys
