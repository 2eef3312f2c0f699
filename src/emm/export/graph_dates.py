"""Features of dates as operators of ONNX: see `emm.data.custom.dates`.

Sines and cosines are read from tables that Polars has computed, so that they are equal bit by bit.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl

from emm.data.custom.dates import ISO, DateFeatures
from emm.data.tables.inputs import Input
from emm.data.tables.names import stored_name
from emm.export.nodes import Nodes

_TIME = r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d([.,]\d+)?)?$"
_DAY_PARTS, _TIME_PARTS = r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?)?", r"\d\d:\d\d(?::\d\d)?"
_DAY_FILLER, _TIME_FILLER = "2000-01-01 00:00:00", "00:00:00"

_MONTH_ENDS = np.array([31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
_BEFORE = np.cumsum([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30])  # days of a common year
_CYCLE, _CYCLE_DAYS = 400, 146_097  # years after which the calendar repeats, and their days
_EPOCH = 719_528  # days from the year 0 to 1970
_SECONDS = 86_400


def date_features(nodes: Nodes, given: Input, text: str) -> dict[str, str]:
    """The features of a column of dates [B, 1] by their names: [B, 1] double each, NaN where the
    text is no date."""
    filler, pattern = (_DAY_FILLER, ISO) if given.dated else (_TIME_FILLER, _TIME)
    valid = nodes.add("RegexFullMatch", [text], pattern=pattern)
    parts = _parts(nodes, text, filler, _DAY_PARTS if given.dated else _TIME_PARTS)
    found: dict[str, str] = {}
    if given.dated:
        year, month, day, *parts = parts
        valid = nodes.add("And", [valid, _exists(nodes, year, month, day)])
        days = _days(nodes, year, month, day)
        found["year"], found["days"] = (nodes.cast(each, "DOUBLE") for each in (year, days))
        months = [date(2000, number, 1) for number in range(1, 13)]
        found |= _table(nodes, "month", months, _plus(nodes, month, -1))
        monday = [date(2024, 1, 1) + timedelta(number) for number in range(7)]
        weekday = nodes.add("Mod", [_plus(nodes, days, 3), _int(nodes, 7)])
        found |= _table(nodes, "weekday", monday, weekday)
    if given.timed:
        seconds = [datetime(2000, 1, 1) + timedelta(seconds=number) for number in range(_SECONDS)]
        found |= _table(nodes, "hour", seconds, _second(nodes, *parts))
    missing = nodes.constant(np.array(np.nan))
    return {
        stored_name(f"{given.name}:{part}"): nodes.add("Where", [valid, each, missing])
        for part, each in found.items()
    }


def _parts(nodes: Nodes, text: str, filler: str, pattern: str) -> list[str]:
    """The numbers of a date: [B, 1] int64 each, 0 for those that aren't written."""
    row = nodes.constant(np.array([[filler]], object))  # has all of them
    plain = nodes.tokens(nodes.add("Concat", [text, row], axis=0), pattern, "")
    first = nodes.add("Gather", [plain, nodes.constant(np.array(0))], axis=2)  # [B + 1, 1]
    numbers = nodes.add("Squeeze", [nodes.tokens(first, r"\d+", "0"), _ints(nodes, 1)])
    start, end = nodes.constant(np.array([0])), nodes.constant(np.array([-1]))
    kept = nodes.cast(nodes.add("Slice", [numbers, start, end]), "INT64")
    return nodes.split(kept, [1] * (filler.count("-") + filler.count(":") + 1 + (" " in filler)))


def _exists(nodes: Nodes, year: str, month: str, day: str) -> str:
    """Whether a calendar has that day."""
    known = nodes.add("Equal", [month, _clipped(nodes, month, 1, 12)])
    place = _clipped(nodes, _plus(nodes, month, -1), 0, 11)
    ends = nodes.add("Gather", [nodes.constant(_MONTH_ENDS), place])
    common = nodes.add("Not", [_leaps(nodes, year)])
    february = nodes.add("Equal", [month, _int(nodes, 2)])
    shorter = nodes.cast(nodes.add("And", [february, common]), "INT64")
    last = nodes.add("Sub", [ends, shorter])
    inside = nodes.add("And", [_at_most(nodes, day, last), _at_most(nodes, _int(nodes, 1), day)])
    return nodes.add("And", [known, inside])


def _leaps(nodes: Nodes, year: str) -> str:
    """Whether a year has 366 days."""
    by4, by100, by400 = (
        nodes.add("Equal", [nodes.add("Mod", [year, _int(nodes, n)]), _int(nodes, 0)])
        for n in (4, 100, 400)
    )
    return nodes.add("Or", [nodes.add("And", [by4, nodes.add("Not", [by100])]), by400])


def _days(nodes: Nodes, year: str, month: str, day: str) -> str:
    """Days since 1970-01-01."""
    later = _plus(nodes, year, _CYCLE)
    # Leap days of the years before this one, and that of this one from March on.
    march = nodes.cast(nodes.add("Less", [_int(nodes, 2), month]), "INT64")
    ended = nodes.add("Add", [_plus(nodes, later, -1), march])
    by4, by100, by400 = (nodes.add("Div", [ended, _int(nodes, n)]) for n in (4, 100, 400))
    leaps = nodes.add("Add", [nodes.add("Sub", [by4, by100]), by400])
    place = _clipped(nodes, _plus(nodes, month, -1), 0, 11)
    before = nodes.add("Gather", [nodes.constant(_BEFORE), place])
    common = nodes.add("Mul", [later, _int(nodes, 365)])
    total = nodes.add("Add", [nodes.add("Add", [common, leaps]), nodes.add("Add", [before, day])])
    return _plus(nodes, total, -(_EPOCH + _CYCLE_DAYS))


def _second(nodes: Nodes, hour: str, minute: str, second: str) -> str:
    """The second of the day, from 0 on."""
    hours = nodes.add("Mul", [hour, _int(nodes, 3600)])
    minutes = nodes.add("Mul", [minute, _int(nodes, 60)])
    total = nodes.add("Add", [nodes.add("Add", [hours, minutes]), second])
    return _clipped(nodes, total, 0, _SECONDS - 1)


def _table(nodes: Nodes, part: str, examples: Sequence[date], place: str) -> dict[str, str]:
    """Sine and cosine of a part of the date, read at ``place`` [B, 1] among ``examples``."""
    column = pl.Series("x", examples)
    features = DateFeatures("x", column.dtype, dated=part != "hour", timed=part == "hour")
    values = column.to_frame().select(
        each.alias(name.partition(":")[2]) for name, each in features.expressions().items()
    )
    inside = _clipped(nodes, place, 0, len(examples) - 1)
    return {
        name: nodes.add("Gather", [nodes.constant(values[name].to_numpy()), inside])
        for name in (f"{part}_sin", f"{part}_cos")
    }


def _clipped(nodes: Nodes, value: str, low: int, high: int) -> str:
    return nodes.add("Clip", [value, _int(nodes, low), _int(nodes, high)])


def _at_most(nodes: Nodes, value: str, limit: str) -> str:
    return nodes.add("LessOrEqual", [value, limit])


def _plus(nodes: Nodes, value: str, number: int) -> str:
    return nodes.add("Add", [value, _int(nodes, number)])


def _int(nodes: Nodes, value: int) -> str:
    return nodes.constant(np.array(value, np.int64))


def _ints(nodes: Nodes, *values: int) -> str:
    return nodes.constant(np.array(values, np.int64))
