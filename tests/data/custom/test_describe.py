"""From files of custom data to a dataset."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from emm.data.custom.files import CustomFiles
from emm.data.custom.roles import CustomColumns
from emm.data.custom.tasks import CustomTask
from emm.data.datasets.split_rules import AsPublished, ByColumn, ByTime
from emm.data.reading.chunks import LINE
from emm.data.tables.schema import InferredColumn
from tests.data.custom.custom_files import (
    ROWS,
    describe,
    make_table,
    preprocessed,
    put_csv,
    put_lines,
    put_parquet,
    read,
)

TABLE = make_table()
TASKS = {
    "visit": CustomTask("visited"),
    "purchase": CustomTask("orders > 0", made_from=("amount",)),
    "spend": CustomTask("amount", "regression"),
}
COLUMNS = CustomColumns(sparse=("user",), bags={"genres": "|"}, drop=("day",))
WRITERS = {"csv": put_csv, "parquet": put_parquet}


@pytest.fixture(params=WRITERS)
def raw(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return WRITERS[request.param](tmp_path / "raw", f"data.{request.param}", TABLE)


def text(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.String)


def test_csv_and_parquet_give_the_same_rows(raw: Path) -> None:
    dataset = describe(raw, columns=COLUMNS, tasks=TASKS)
    rows, rejected = read(dataset, raw)
    assert (dataset.dense, dataset.bags) == (("price", "views"), ("genres",))
    assert dataset.sparse == ("user", "device", "country", "zip")
    assert rows[LINE].to_list()[:2] in ([1, 2], [2, 3])  # a CSV file's line 1 is its header
    assert (rejected.lines, rejected.count) == (ROWS, 0)
    features = [
        *(pl.col(name).cast(pl.Float64) for name in dataset.dense),
        *(text(name) for name in dataset.sparse),
    ]
    assert_frame_equal(rows.select(features), TABLE.select(features))
    assert rows["genres"].to_list() == [
        None if genres is None else genres.split("|") for genres in TABLE["genres"]
    ]


def test_labels_are_columns_or_expressions(raw: Path) -> None:
    dataset = describe(raw, columns=COLUMNS, tasks=TASKS)
    rows, _ = read(dataset, raw)
    labels = {name: task.label.cast(pl.Float64) for name, task in dataset.tasks.items()}
    assert_frame_equal(
        rows.select(**labels),
        TABLE.select(
            visit=pl.col("visited").cast(pl.Float64),
            purchase=(pl.col("orders") > 0).cast(pl.Float64),
            spend=pl.col("amount"),
        ),
    )
    assert {name: task.kind for name, task in dataset.tasks.items()} == {
        "visit": "binary",
        "purchase": "binary",
        "spend": "regression",
    }


def test_columns_that_a_label_is_made_from_are_not_features(raw: Path) -> None:
    dataset = describe(raw, columns=COLUMNS, tasks=TASKS)
    assert dataset.tasks["purchase"].made_from == ("orders", "amount")
    assert {"visited", "orders", "amount"} & {*dataset.dense, *dataset.sparse} == set()


def test_bags_are_read_only_on_request(raw: Path) -> None:
    rows, _ = read(describe(raw, columns=COLUMNS), raw, bags=False)
    assert "genres" not in rows.columns


def test_key_weight_split_and_carried_columns_are_read_but_not_features(raw: Path) -> None:
    columns = CustomColumns(key="user", weight="price", carried=("zip",), drop=("zip",))
    dataset = describe(raw, columns=columns, split=ByTime("day", 0.1, 0.1))
    rows, _ = read(dataset, raw)
    assert {"user", "price", "zip", "day"} <= {*rows.columns}
    assert {"user", "price", "zip", "day"} & {*dataset.dense, *dataset.sparse} == set()
    assert (dataset.key, dataset.weight, dataset.parts) == ("user", "price", ("all",))


def test_a_named_column_is_not_inferred(raw: Path) -> None:
    dataset = describe(raw, columns=CustomColumns(dense=("device",), sparse=None, drop=("zip",)))
    assert "device" in dataset.dense
    assert "country" in dataset.sparse


def test_other_columns_are_left_out_if_both_kinds_are_named(raw: Path) -> None:
    dataset = describe(raw, columns=CustomColumns(dense=("price",), sparse=("country",)))
    assert (dataset.dense, dataset.sparse) == (("price",), ("country",))
    listed = [each for each in dataset.inferred if "left out" in each.taken_as]
    assert [each.name for each in listed][:3] == ["user", "day", "views"]


def test_inferred_columns_are_reported(raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = describe(raw, columns=COLUMNS, tasks=TASKS)
    assert dataset.inferred == (
        InferredColumn("price", "dense", 391, 0, "96.57"),
        InferredColumn("views", "dense", 400, 0, "311"),
        InferredColumn("device", "sparse", 3, 0, "0"),
        InferredColumn("country", "sparse", 3, 0, "New, York"),
        InferredColumn("zip", "sparse", 300, 0, "00000"),
    )
    assert capsys.readouterr().err.splitlines() == [
        "shop: columns without a role in the section custom, by their first 400 rows:",
        "  column   taken as  distinct  missing  example",
        "  price    dense          391        0  96.57",
        "  views    dense          400        0  311",
        "  device   sparse           3        0  0",
        "  country  sparse           3        0  New, York",
        "  zip      sparse         300        0  00000",
    ]


def test_the_files_of_a_part_are_read_in_order_of_their_names(tmp_path: Path) -> None:
    put_csv(tmp_path, "b.csv", TABLE[:10])
    put_csv(tmp_path, "a.csv", TABLE[10:].select(reversed(TABLE.columns)))
    rows, _ = read(describe(tmp_path), tmp_path)
    assert rows["zip"].to_list() == [*TABLE["zip"][10:], *TABLE["zip"][:10]]


def test_each_part_has_its_files(tmp_path: Path) -> None:
    parts = {"train": TABLE[:200], "validation": TABLE[200:300], "test": TABLE[300:]}
    for part, rows in parts.items():
        put_csv(tmp_path, f"{part}.txt", rows, separator=";")
    files = CustomFiles({part: (f"{part}.*",) for part in parts}, separator=";")
    dataset = describe(tmp_path, files=files, split=AsPublished())
    assert dataset.parts == ("train", "validation", "test")
    assert {part: len(read(dataset, tmp_path, part)[0]) for part in parts} == {
        "train": 200,
        "validation": 100,
        "test": 100,
    }
    assert [file.name for file in dataset.source.files] == ["train.*", "validation.*", "test.*"]


def test_missing_values_are_null_in_text_and_numbers(tmp_path: Path) -> None:
    rows = pl.DataFrame(
        {
            "number": [1.5, -1.0, float("nan"), None, 2.0],
            "text": ["a", "NA", "?", None, "b"],
            "visited": [1, 0, 1, 0, 1],
        }
    )
    put_parquet(tmp_path, "data.parquet", rows)
    files = CustomFiles({"all": ()}, missing=("-1", "?", "NA"))
    found, _ = read(describe(tmp_path, files=files), tmp_path)
    assert found["number"].to_list() == [1.5, None, None, None, 2.0]
    assert found["text"].to_list() == ["a", None, None, None, "b"]


@pytest.mark.parametrize(
    ("times", "ordered"),
    [
        (["9", "10", "11"], [9, 10, 11]),
        (["0.5", "10", "11"], [0.5, 10.0, 11.0]),
        (["2024-05-09", "2024-05-10", "2024-06-01"], ["2024-05-09", "2024-05-10", "2024-06-01"]),
        (
            ["2024-05-09T10:00Z", "2024-05-09 10:01", "2024-05-09T10:01:30.5Z"],
            ["2024-05-09 10:00", "2024-05-09 10:01", "2024-05-09 10:01:30.5"],
        ),
    ],
)
def test_times_are_cast_to_values_that_sort(
    tmp_path: Path, times: list[str], ordered: list[Any]
) -> None:
    put_lines(tmp_path, ["time,visited", *(f"{time},1" for time in times)])
    rows, _ = read(describe(tmp_path, split=ByTime("time", 0.1, 0.1)), tmp_path)
    assert rows["time"].to_list() == ordered == sorted(ordered)


def test_typed_times_sort(tmp_path: Path) -> None:
    put_parquet(tmp_path, "data.parquet", TABLE.with_columns(pl.col("day").str.to_date()))
    rows, _ = read(describe(tmp_path, split=ByTime("day", 0.1, 0.1)), tmp_path)
    assert rows["day"].is_sorted()
    assert rows["day"].dtype.is_integer()


def test_a_row_without_a_time_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emm.data.custom.read_files.SAMPLE_ROWS", 2)
    put_lines(tmp_path, ["time,visited", "2024-05-01,1", "2024-05-02,0", "May 3rd,1", ",1"])
    rows, rejected = read(describe(tmp_path, split=ByTime("time", 0.1, 0.1)), tmp_path)
    assert len(rows) == 2
    rejected.write(tmp_path / "rejected.jsonl")
    assert (tmp_path / "rejected.jsonl").read_text().splitlines() == [
        '{"file": "data.csv", "line": 4, "reason": "\'time\' holds no time", "text": "May 3rd"}',
        '{"file": "data.csv", "line": 5, "reason": "\'time\' holds no time", "text": null}',
    ]


def test_custom_data_can_be_preprocessed(raw: Path, tmp_path: Path) -> None:
    columns = CustomColumns(drop=("genres",))
    dataset = describe(raw, columns=columns, tasks=TASKS, split=ByTime("day", 0.1, 0.1))
    out = preprocessed(dataset, raw, tmp_path)
    sizes = {s: len(pl.read_parquet(out / f"{s}.parquet")) for s in ("train", "validation", "test")}
    assert sizes == {"train": 320, "validation": 40, "test": 40}


def test_a_split_by_the_values_of_a_column(raw: Path) -> None:
    dataset = describe(raw, split=ByColumn("country", ("de",), ("fr",)))
    assert "country" not in dataset.sparse
    assert "country" in read(dataset, raw)[0].columns
