from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emm.data.reading import behaviour
from emm.data.reading.behaviour import Log, daily_rows

Event = tuple[int, int, int, int]  # user, item, behaviour, day

LOG = Log(
    attributes=("category_id", "brand_id"),
    behaviours=("click", "buy"),
    counted=(("user_id",), ("item_id",), ("user_id", "category_id")),
)
EVENTS = st.lists(
    st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(0, 1), st.integers(0, 3)),
    min_size=1,
    max_size=60,
)


def category(item: int) -> int:
    return 100 + item % 3


def brand(item: int) -> int | None:
    return None if item == 2 else 2**32 - 2 - item


def frame(events: list[Event]) -> pl.DataFrame:
    users, items, behaviours, days = (list(column) for column in zip(*events, strict=True))
    return pl.DataFrame(
        {
            "user_id": users,
            "item_id": items,
            "category_id": [category(item) for item in items],
            "brand_id": [brand(item) for item in items],
            "behaviour": behaviours,
            "day": days,
        }
    )


def rows_of(events: list[Event], scratch: Path, pieces: int = 1) -> list[dict[str, int]]:
    scratch.mkdir(exist_ok=True)
    complete = frame(events)
    size = -(-len(complete) // pieces)
    frames = [complete[start : start + size] for start in range(0, len(complete), size)]
    rows = list(daily_rows(frames, LOG, scratch))
    assert not list(scratch.iterdir())
    return pl.concat(rows).rows(named=True) if rows else []


def touched(events: list[Event]) -> dict[tuple[int, int, int], tuple[int, ...]]:
    """The behaviours by user, item and day, for items with an event on an earlier day."""
    done: dict[tuple[int, int, int], set[int]] = {}
    for user, item, what, day in events:
        done.setdefault((user, item, day), set()).add(what)
    return {
        (user, item, day): tuple(int(number in found) for number in range(2))
        for (user, item, day), found in done.items()
        if any(other == item and then < day for _, other, _, then in events)
    }


def counts(events: list[Event], user: int, item: int, day: int) -> list[int]:
    earlier = [event for event in events if event[3] < day]
    chosen = [
        [event for event in earlier if event[0] == user],
        [event for event in earlier if event[1] == item],
        [event for event in earlier if event[0] == user and category(event[1]) == category(item)],
    ]
    return [sum(event[2] == what for event in group) for group in chosen for what in range(2)]


def split(
    events: list[Event], rows: list[dict[str, int]]
) -> tuple[list[dict[str, int]], list[dict[str, int]]]:
    """The rows of events in the log, and the sampled rows."""
    known = {(user, item, day) for user, item, _, day in events}
    real = [row for row in rows if (row["user_id"], row["item_id"], row["day"]) in known]
    return real, [row for row in rows if row not in real]


SETTINGS = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40
)


@SETTINGS
@given(events=EVENTS)
def test_labels_are_the_behaviours_of_the_day(tmp_path: Path, events: list[Event]) -> None:
    real, sampled = split(events, rows_of(events, tmp_path))
    found = {
        (row["user_id"], row["item_id"], row["day"]): (row["click"], row["buy"]) for row in real
    }
    assert found == touched(events)
    assert len(found) == len(real)
    assert all((row["click"], row["buy"]) == (0, 0) for row in sampled)


@SETTINGS
@given(events=EVENTS)
def test_features_count_the_events_of_earlier_days(tmp_path: Path, events: list[Event]) -> None:
    for row in rows_of(events, tmp_path):
        found = [row[name] for name in LOG.counts]
        assert found == counts(events, row["user_id"], row["item_id"], row["day"])
        assert row["category_id"] == category(row["item_id"])
        assert row["brand_id"] == brand(row["item_id"])


@SETTINGS
@given(events=EVENTS)
def test_sampled_items_have_earlier_events_and_none_on_the_day(
    tmp_path: Path, events: list[Event]
) -> None:
    real, sampled = split(events, rows_of(events, tmp_path))
    for row in sampled:
        assert any(item == row["item_id"] and day < row["day"] for _, item, _, day in events)
    users = Counter((row["user_id"], row["day"]) for row in sampled)
    most = Counter((row["user_id"], row["day"]) for row in real)
    assert all(number <= most[key] for key, number in users.items())


@SETTINGS
@given(events=EVENTS, last=st.integers(1, 3))
def test_later_events_change_no_row(tmp_path: Path, events: list[Event], last: int) -> None:
    past = [event for event in events if event[3] <= last]
    if past:
        rows = [row for row in rows_of(events, tmp_path) if row["day"] <= last]
        assert rows == rows_of(past, tmp_path)


@SETTINGS
@given(events=EVENTS, pieces=st.integers(1, 5), rows=st.integers(1, 5))
def test_rows_do_not_depend_on_how_the_log_is_cut_into_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, events: list[Event], pieces: int, rows: int
) -> None:
    """With small slices, everything except the random items is the same too."""
    assert rows_of(events, tmp_path) == rows_of(events, tmp_path, pieces)
    complete = split(events, rows_of(events, tmp_path))[0]
    with monkeypatch.context() as patch:
        patch.setattr(behaviour, "_SLICE", rows)
        sliced = split(events, rows_of(events, tmp_path))[0]
    assert sliced == complete


def test_items_are_sampled_in_proportion_to_their_earlier_events(tmp_path: Path) -> None:
    past = [(1, 1, 0, 0)] * 60 + [(1, 2, 0, 0)] * 30 + [(2, 3, 1, 0)] * 10
    users = 4000
    today = [(10 + user, 3, 0, 1) for user in range(users)]
    real, sampled = split(past + today, rows_of(past + today, tmp_path))
    found = Counter(row["item_id"] for row in sampled)
    assert len(real) == users
    assert set(found) == {1, 2}  # 3 is drawn too, but every user has an event with it
    for item, share in ((1, 0.6), (2, 0.3)):
        spread = np.sqrt(users * share * (1 - share))
        assert abs(found[item] - users * share) < 5 * spread


def test_every_earlier_event_can_be_drawn(tmp_path: Path) -> None:
    past = [(1, item, 0, 0) for item in (1, 2, 3)]
    today = [(10 + user, 2, 0, 1) for user in range(200)]
    sampled = split(past + today, rows_of(past + today, tmp_path))[1]
    assert {row["item_id"] for row in sampled} == {1, 3}


def test_the_same_log_gives_the_same_rows(tmp_path: Path) -> None:
    events = [(user, item, 0, day) for user in (1, 2) for item in (1, 2, 3) for day in (0, 1)]
    assert rows_of(events[::2] + events[1::2], tmp_path) == rows_of(
        events[::2] + events[1::2], tmp_path
    )


def test_a_single_day_has_no_rows(tmp_path: Path) -> None:
    assert rows_of([(1, 1, 0, 5), (1, 2, 1, 5)], tmp_path) == []


def test_count_features_are_named_after_what_they_count() -> None:
    assert LOG.counts[:2] == ("user_click_count", "user_buy_count")
    assert LOG.counts[-1] == "user_category_buy_count"
