"""Columns of dates and times as features of custom data."""

import json
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from emm.core.errors import ParamsError
from emm.data.custom.roles import CustomColumns
from emm.data.datasets.split_rules import ByTime
from emm.data.tables.schema import load_schema
from tests.data.custom.custom_files import (
    describe,
    preprocessed,
    put_csv,
    put_lines,
    put_parquet,
    read,
)

ROWS = 300
CLICKS = [n % 2 for n in range(ROWS)]
DAYS = [date(2024, 1, 1) + timedelta(n) for n in range(ROWS)]


def put(raw: Path, **columns: Any) -> Path:
    return put_parquet(raw, "data.parquet", pl.DataFrame({**columns, "visited": CLICKS}))


@pytest.mark.parametrize("write", [put_parquet, put_csv])
def test_dates_become_features(tmp_path: Path, write: Any) -> None:
    times = [datetime(2024, 1, 1, 6) + timedelta(n) for n in range(ROWS)]
    rows = pl.DataFrame({"signup": DAYS, "seen": times, "visited": CLICKS})
    write(tmp_path, "data.parquet" if write is put_parquet else "data.csv", rows)
    dataset = describe(tmp_path)
    parts = ["year", "month_sin", "month_cos", "weekday_sin", "weekday_cos", "days"]
    hours = ["hour_sin", "hour_cos"]
    signup, seen = (
        tuple(f"{name}:{part}" for part in [*parts, *more])
        for name, more in (("signup", []), ("seen", hours))
    )
    assert (dataset.dense, dataset.sparse) == ((*signup, *seen), ())
    found, _ = read(dataset, tmp_path)
    assert found["signup:days"].to_list() == [(day - date(1970, 1, 1)).days for day in DAYS]
    assert found["seen:hour_sin"].to_list() == pytest.approx([1.0] * ROWS)
    assert [each.taken_as for each in dataset.inferred] == ["date", "date and time"]


def test_the_days_are_scaled_to_train(tmp_path: Path) -> None:
    raw = put(tmp_path / "raw", signup=DAYS)
    out = preprocessed(describe(raw), raw, tmp_path)
    column = load_schema(out / "schema.json").dense[-1]
    assert column.name == "signup:days"
    train = pl.read_parquet(out / "train.parquet")["signup:days"]
    found = train.cast(pl.Float64) * (column.maximum - column.minimum) + column.minimum
    days = [(day - date(1970, 1, 1)).days for day in DAYS]
    assert (train.min(), train.max()) == (0.0, 1.0)
    assert {*found.round().to_list()} <= {*days}


def test_the_time_of_the_split_and_other_roles_are_no_features(tmp_path: Path) -> None:
    put(tmp_path, day=DAYS, key=DAYS, other=DAYS)
    columns = CustomColumns(key="key", drop=("other",))
    dataset = describe(tmp_path, columns=columns, split=ByTime("day", 0.1, 0.1))
    assert (dataset.dense, dataset.sparse) == ((), ())


@pytest.mark.parametrize(
    ("dates", "dense", "sparse"),
    [((), 0, ("signup", "seen")), (("seen",), 2, ("signup",)), (None, 8, ())],
)
def test_the_dates_may_be_named(
    tmp_path: Path, dates: tuple[str, ...] | None, dense: int, sparse: tuple[str, ...]
) -> None:
    put(tmp_path, signup=DAYS, seen=[time(n % 24) for n in range(ROWS)])
    dataset = describe(tmp_path, columns=CustomColumns(dates=dates))
    assert (len(dataset.dense), dataset.sparse) == (dense, sparse)


def test_the_time_of_the_split_is_a_feature_if_it_is_named(tmp_path: Path) -> None:
    put_csv(tmp_path, "data.csv", pl.DataFrame({"day": DAYS, "visited": CLICKS}))
    dataset = describe(
        tmp_path, columns=CustomColumns(dates=("day",)), split=ByTime("day", 0.1, 0.1)
    )
    rows, _ = read(dataset, tmp_path)
    assert rows["day:days"].to_list() == [(day - date(1970, 1, 1)).days for day in DAYS]
    assert rows["day"].is_sorted()


def test_a_missing_date_is_missing_and_an_invalid_one_rejects_the_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emm.data.custom.read_files.SAMPLE_ROWS", 2)
    lines = ["at,visited", "2024-05-31,1", "2024-06-01,0", "n/a,1", "soon,0", ",1"]
    put_lines(tmp_path, lines)
    rows, rejected = read(describe(tmp_path), tmp_path)
    assert rows["at:days"].to_list() == [19874, 19875, None, None]
    assert rejected.count == 1
    rejected.write(tmp_path / "rejected.jsonl")
    record = json.loads((tmp_path / "rejected.jsonl").read_text())
    assert (record["line"], record["reason"]) == (5, "'at' holds no time")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (CustomColumns(dates=("price",)), r"dates: 'price' holds '.*', which isn't a date"),
        (CustomColumns(dates=("number",)), r"dates: 'number' holds '1', which isn't a date"),
        (CustomColumns(dense=("signup",)), r"dense: 'signup' holds '2024-.*', which isn't a numb"),
        (CustomColumns(dates=("signup",), drop=("signup",)), "dates: 'signup' is also in drop"),
        (CustomColumns(), r"dates: 'signup' has a feature 'signup:days', which is also a column"),
    ],
)
def test_dates_that_can_not_be_used_are_named(
    tmp_path: Path, columns: CustomColumns, message: str
) -> None:
    days = {"signup:days": ["a"] * ROWS} if columns == CustomColumns() else {}
    put(tmp_path, signup=DAYS, price=["a"] * ROWS, number=[1] * ROWS, **days)
    with pytest.raises(ParamsError, match=message):
        describe(tmp_path, columns=columns)
