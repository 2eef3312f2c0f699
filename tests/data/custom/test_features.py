"""The features of custom data by the types and values of their columns."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from emm.core.errors import ParamsError
from emm.data.custom.files import CustomFiles
from emm.data.custom.roles import CustomColumns
from emm.data.custom.tasks import CustomTask
from emm.data.datasets.split_rules import ByTime
from emm.data.tables.schema import InferredColumn, load_schema
from tests.data.custom.custom_files import describe, preprocessed, put_csv, put_parquet, read

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
    assert "'price' (dense): 'tbd' 2 times, 'free' once" in str(error.value)
    assert "write missing: ['', NA, 'NULL', tbd, free]" in str(error.value)
    assert "write sparse: [price]" in str(error.value)


def test_the_advice_keeps_the_other_features(tmp_path: Path) -> None:
    put_csv(
        tmp_path,
        "data.csv",
        pl.DataFrame({"price": [*PRICES[1:], "tbd"], "a": "x", "n": PRICES, "visited": CLICKS}),
    )
    with pytest.raises(ParamsError, match=r"write sparse: \[a, price\]"):
        describe(tmp_path, columns=CustomColumns(dense=("n",)))


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
    out = preprocessed(describe(raw), raw, tmp_path, max_rejected=0.1)
    assert "the column 'price' isn't a number" in (tmp_path / "rejected.jsonl").read_text()
    schema = load_schema(out / "schema.json")
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
    for kind in ("binary", "regression", "classes"):
        with pytest.raises(ParamsError, match=rf"custom\.tasks\.odd: got {what}, expected numbers"):
            describe(tmp_path, tasks={"odd": CustomTask("odd", kind)})  # type: ignore[arg-type]
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


def test_an_example_is_short(tmp_path: Path) -> None:
    put(tmp_path, text=[f"line\nbreak {'x' * 50} {n // 2}" for n in range(ROWS)])
    (listed,) = describe(tmp_path).inferred
    assert listed.example == f"line break {'x' * 29}"
    assert (listed.taken_as, listed.distinct, listed.missing) == ("sparse", ROWS // 2, 0)
