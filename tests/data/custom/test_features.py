"""The features of custom data by the types and values of their columns."""

import json
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from emm.core.errors import ParamsError
from emm.data.custom.files import CustomFiles
from emm.data.custom.roles import CustomColumns
from emm.data.datasets.split_rules import ByTime
from emm.data.prepare.preprocess import preprocess
from emm.data.tables.schema import InferredColumn, load_schema
from tests.data.custom.custom_files import describe, put_csv, put_lines, put_parquet, read

ROWS = 300
CLICKS = [n % 2 for n in range(ROWS)]


def put(raw: Path, **columns: Any) -> Path:
    return put_parquet(raw, "data.parquet", pl.DataFrame({**columns, "visited": CLICKS}))


def put_text(raw: Path, prices: list[str]) -> Path:
    rows = pl.DataFrame({"price": prices, "visited": [n % 2 for n in range(len(prices))]})
    return put_csv(raw, "data.csv", rows)


PRICES = [f"{n}.5" for n in range(ROWS)]


def test_words_for_missing_values_are_null_in_all_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emm.data.custom.read_files.SAMPLE_ROWS", 200)
    put_text(tmp_path, [*PRICES[:150], "n/a", "NaN", *PRICES[150:], "-", "inf", "?"])
    dataset = describe(tmp_path)
    rows, _ = read(dataset, tmp_path)
    assert (dataset.dense, dataset.sparse) == (("price",), ())
    assert rows["price"].null_count() == 5
    assert rows["price"].drop_nulls().to_list() == PRICES
    assert dataset.inferred == (
        InferredColumn("price", "dense (missing: NaN, n/a)", 200, 2, "0.5"),
    )


def test_other_words_among_numbers_are_asked_about(tmp_path: Path) -> None:
    put_text(tmp_path, [*PRICES, "tbd", "tbd", "free"])
    with pytest.raises(ParamsError) as error:
        describe(tmp_path)
    assert "'price' (dense): 'tbd' in 2, 'free' in 1 rows" in str(error.value)
    assert "write missing: ['', NA, 'NULL', tbd, free]" in str(error.value)
    assert "write sparse: [price]" in str(error.value)


@pytest.mark.parametrize("role", ["missing", "sparse"])
def test_the_advised_lines_settle_the_question(tmp_path: Path, role: str) -> None:
    put_text(tmp_path, [*PRICES, "tbd", "free"])
    if role == "missing":
        files = CustomFiles({"all": ()}, missing=("", "tbd", "free"))
        dataset = describe(tmp_path, files=files)
        assert read(dataset, tmp_path)[0]["price"].null_count() == 2
    else:
        dataset = describe(tmp_path, columns=CustomColumns(sparse=("price",)))
        assert dataset.sparse == ("price",)


def test_a_later_word_is_rejected_with_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emm.data.custom.read_files.SAMPLE_ROWS", 200)
    raw = put_text(tmp_path / "raw", [*PRICES, "tbd"])
    (tmp_path / "out").mkdir()
    preprocess(
        describe(raw),
        raw,
        tmp_path / "out",
        tasks=["visit"],
        seed=0,
        rare_below=1,
        rejected=tmp_path / "rejected.jsonl",
        max_rejected=0.1,
    )
    assert "the column 'price' isn't a number" in (tmp_path / "rejected.jsonl").read_text()
    schema = load_schema(tmp_path / "out/schema.json")
    assert schema.inferred == (InferredColumn("price", "dense", 200, 0, "0.5"),)
    assert sum(split.rows for split in schema.splits.values()) == ROWS


@pytest.mark.parametrize(
    ("column", "what"),
    [
        (pl.Series([timedelta(n) for n in range(ROWS)]), "a duration"),
        (pl.Series([{"x": n} for n in range(ROWS)]), "a struct"),
        (pl.Series([b"a"] * ROWS), "bytes"),
        (pl.Series([[n] for n in range(ROWS)]), "a list"),
        (pl.Series([[n, n] for n in range(ROWS)], dtype=pl.Array(pl.Int64, 2)), "an array"),
    ],
)
def test_a_column_that_is_no_feature_is_left_out_or_named(
    tmp_path: Path, column: pl.Series, what: str
) -> None:
    put(tmp_path, odd=column, price=[n / 2 for n in range(ROWS)])
    dataset = describe(tmp_path)
    assert (dataset.dense, dataset.sparse) == (("price",), ())
    assert dataset.inferred[0].taken_as == f"left out (it holds {what})"
    rows, _ = read(dataset, tmp_path)
    assert "odd" not in rows.columns
    roles: dict[str, Any] = {"dense": ("odd",), "sparse": ("odd",), "key": "odd", "weight": "odd"}
    for role, value in roles.items():
        with pytest.raises(ParamsError, match=rf"custom\.{role}: 'odd' holds {what}, expected"):
            describe(tmp_path, columns=CustomColumns(**{role: value}))
    with pytest.raises(ParamsError, match=rf"custom\.split\.column: 'odd' holds {what}, expected"):
        describe(tmp_path, split=ByTime("odd", 0.1, 0.1))


@pytest.mark.parametrize(
    "column", [[1] * ROWS, [{"x": 1}] * ROWS, [[{"x": 1}]] * ROWS, [timedelta(1)] * ROWS]
)
def test_a_bag_of_another_type_is_named(tmp_path: Path, column: list[Any]) -> None:
    put(tmp_path, odd=column)
    with pytest.raises(ParamsError, match=r"custom\.bags: 'odd' is of type .*, expected text or"):
        describe(tmp_path, columns=CustomColumns(bags={"odd": "|"}))


def test_typed_columns_have_their_values(tmp_path: Path) -> None:
    put(
        tmp_path,
        money=pl.Series([Decimal(n) / 4 for n in range(ROWS)], dtype=pl.Decimal(12, 2)),
        count=pl.Series([None, *range(1, ROWS)], dtype=pl.Int32),
        grade=pl.Series([Decimal(n % 3) for n in range(ROWS)], dtype=pl.Decimal(12, 2)),
        colour=pl.Series(["red", "NA", None] * (ROWS // 3), dtype=pl.Categorical),
        size=pl.Series(["1", "2", "3"] * (ROWS // 3), dtype=pl.Enum(["3", "2", "1"])),
        member=[True, False, None] * (ROWS // 3),
        level=pl.Series([None, 1, 2] * (ROWS // 3), dtype=pl.UInt8),
        share=pl.Series([float("nan"), float("inf"), 0.5] * (ROWS // 3), dtype=pl.Float32),
        genres=[["a", "b"], [], None] * (ROWS // 3),
        nothing=pl.Series([None] * ROWS, dtype=pl.Null),
    )
    dataset = describe(tmp_path, columns=CustomColumns(bags={"genres": "|"}))
    assert dataset.dense == ("money", "count", "share")
    assert dataset.sparse == ("grade", "colour", "size", "member", "level", "nothing")
    rows, rejected = read(dataset, tmp_path)
    assert rejected.count == 0
    first = rows.select(*dataset.dense, *dataset.sparse, "genres").head(3)
    assert first.with_columns(pl.col("money").cast(pl.Float64)).rows() == [
        (0.0, None, None, "0", "red", "1", "true", None, None, ["a", "b"]),
        (0.25, 1, None, "1", None, "2", "false", 1, None, []),
        (0.5, 2, 0.5, "2", None, "3", None, 2, None, None),
    ]


DAYS = [date(2024, 1, 1) + timedelta(n) for n in range(ROWS)]


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
    days = {"signup:days": PRICES} if columns == CustomColumns() else {}
    put(tmp_path, signup=DAYS, price=PRICES, number=[1] * ROWS, **days)
    with pytest.raises(ParamsError, match=message):
        describe(tmp_path, columns=columns)


def test_an_example_is_short(tmp_path: Path) -> None:
    put(tmp_path, text=[f"line\nbreak {'x' * 50} {n}" for n in range(ROWS)])
    (listed,) = describe(tmp_path).inferred
    assert listed.example == f"line break {'x' * 29}"
    assert (listed.taken_as, listed.distinct, listed.missing) == ("sparse", ROWS, 0)
