"""Features of dates and times."""

import math
from datetime import UTC, date, datetime, time

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emm.data.custom.dates import DateFeatures, date_features


def features(values: list[object], dtype: pl.DataType | None = None) -> pl.DataFrame:
    column = pl.Series("at", values, dtype=dtype)
    found = date_features(column)
    assert found is not None
    return column.to_frame().select(**found.expressions())


def expected(at: datetime) -> dict[str, float]:
    """The features of a time by Python's calendar."""
    hours = (at - at.replace(hour=0, minute=0, second=0, microsecond=0)).seconds / 3600
    turns = {"month": (at.month - 1) / 12, "weekday": at.weekday() / 7, "hour": hours / 24}
    found = {"at:year": at.year, "at:days": (at.date() - date(1970, 1, 1)).days}
    for name, turn in turns.items():
        found[f"at:{name}_sin"] = math.sin(2 * math.pi * turn)
        found[f"at:{name}_cos"] = math.cos(2 * math.pi * turn)
    return found


TIMES = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)).map(
    lambda at: at.replace(microsecond=0, hour=at.hour or 1)
)


@given(st.lists(TIMES, min_size=1, max_size=5), st.sampled_from(["T", " "]))
def test_text_and_typed_times_have_the_features_of_the_calendar(
    times: list[datetime], between: str
) -> None:
    for values in (times, [at.isoformat(between) for at in times]):
        rows = features([*values])
        for row, at in zip(rows.iter_rows(named=True), times, strict=True):
            assert row == pytest.approx(expected(at), abs=1e-9)


def test_a_date_has_no_hour() -> None:
    for values in ([date(2024, 5, 31), None], ["2024-05-31", "?"], ["2024-05-31 00:00:00", None]):
        rows = features([*values])
        assert rows.columns == [
            *("at:year", "at:month_sin", "at:month_cos"),
            *("at:weekday_sin", "at:weekday_cos", "at:days"),
        ]
        assert rows["at:days"].to_list() == [19874.0, None]
        assert rows["at:year"].to_list() == [2024.0, None]


def test_a_time_of_the_day_has_its_hour_only() -> None:
    rows = features([time(6), time(18, 0), None])
    assert rows.columns == ["at:hour_sin", "at:hour_cos"]
    assert rows["at:hour_sin"].to_list() == [pytest.approx(1), pytest.approx(-1), None]


@pytest.mark.parametrize(
    "text",
    [
        *("2024-05-31T18:00Z", "2024-05-31 18:00:00+02:00", "2024-05-31T18:00:00.25-0500"),
        *("2024-05-31 18:00 UTC", "2024-05-31T18:00+02"),
    ],
)
def test_the_hour_is_the_one_that_is_written(text: str) -> None:
    rows = features([text])
    assert rows["at:hour_sin"].to_list() == [pytest.approx(-1)]
    assert rows["at:days"].to_list() == [19874.0]


def test_the_hour_of_a_zoned_time_is_the_local_one() -> None:
    noon = datetime(2024, 5, 31, 12, tzinfo=UTC)
    rows = features([noon], pl.Datetime("us", "Asia/Tokyo"))
    assert rows["at:hour_sin"].item() == pytest.approx(math.sin(2 * math.pi * 21 / 24))


@pytest.mark.parametrize("values", [["31.05.2024"], ["a"], [None], [1.5], [2024], ["2024-02-30"]])
def test_other_values_are_no_dates(values: list[object]) -> None:
    assert date_features(pl.Series("at", values)) is None


def test_values_that_are_neither_dates_nor_missing_are_invalid() -> None:
    later = pl.DataFrame(
        {"at": ["2024-05-31", "n/a", None, "soon", "2024-13-01", "2024-05-31T25:00"]}
    )
    found = DateFeatures("at", pl.String(), dated=True, timed=True)
    invalid = later.select(found.invalid().alias("invalid"))["invalid"]
    assert invalid.to_list() == [False, False, False, True, True, True]


def test_a_feature_never_takes_the_name_of_a_label() -> None:
    found = date_features(pl.Series("label", [date(2024, 5, 31)]))
    assert found is not None
    assert found.names[0] == "column:label:year"
