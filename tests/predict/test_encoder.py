"""The encoder's rows against the Parquet files that preprocessing writes for the same rows."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from emm.core.errors import DataError, ParamsError
from emm.data.custom.files import CustomFiles
from emm.data.custom.numbers import Notation
from emm.data.custom.roles import CustomColumns
from emm.data.datasets.census_income import COLUMNS, DATASET
from emm.data.datasets.split_rules import AsPublished, ByTime
from emm.data.prepare.preprocess import preprocess
from emm.data.tables.inputs import Inputs
from emm.data.tables.names import BAG, BAGS
from emm.data.tables.schema import SPLITS, load_schema
from emm.predict.encoder import Encoder, open_encoder
from tests.census import lines, write_raw
from tests.data.custom.custom_files import describe, preprocessed, put_csv, put_parquet

PARTS = {split: (f"{split}.*",) for split in SPLITS}


def shop(rows: int = 600) -> pl.DataFrame:
    """Rows of text as in a CSV file: every kind of column, with missing and odd values."""
    draw = np.random.default_rng(0)
    when = [f"2024-{1 + n % 12:02}-{1 + n % 28:02} {n % 24:02}:{n % 60:02}" for n in range(rows)]
    price = [f"{1000 + n:,}".replace(",", "'") + f".{n % 10}" for n in range(rows)]
    return pl.DataFrame(
        {
            "user": [str(1234567890123456000 + n % 37) for n in range(rows)],
            "when": ["n/a" if n % 50 == 7 else text for n, text in enumerate(when)],
            "price": ["none" if n % 40 == 3 else text for n, text in enumerate(price)],
            "views": ["-999" if n % 30 == 5 else str(n) for n in range(rows)],
            "zip": [f"{n % 9:02}" for n in range(rows)],
            "device": [("  phone", "pad ", "", "-999", "NA")[n % 5] for n in range(rows)],
            "flag": [("true", "False")[n % 2] for n in range(rows)],
            "genres": [("a|b", "b| c", "", "d|a|a")[n % 4] for n in range(rows)],
            "weight": ["1"] * rows,
            "visited": [str(each) for each in draw.integers(0, 2, rows)],
        }
    )


def parts_of(rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Train, and a validation and test with some values that train hasn't."""
    return dict(zip(SPLITS, (rows[:300], rows[250:450], rows[400:]), strict=True))


def custom(raw: Path, folder: Path, **changes: Any) -> Path:
    """Preprocess the files of the three splits, in the order of their rows."""
    options = {"files": CustomFiles(PARTS), "split": AsPublished(), **changes}
    dataset = describe(raw, **options)
    return preprocessed(dataset, raw, folder, max_rejected=0.0, bags=bool(dataset.bags))


def stored(processed: Path, split: str) -> pl.DataFrame:
    """The features of a split as they were written, with the bags of its rows."""
    schema = load_schema(processed / "schema.json")
    rows = pl.read_parquet(processed / f"{split}.parquet")
    features = rows.select(*schema.dense_names, *schema.sparse_names)
    for each in schema.bags:
        bags = pl.read_parquet(processed / BAGS)[each.name]
        features = features.with_columns(bags.gather(rows[BAG]).alias(each.name))
    return features


def assert_equal_bits(found: pl.DataFrame, expected: pl.DataFrame) -> None:
    assert found.schema == expected.schema
    for name in expected.columns:
        if expected[name].dtype == pl.Float32:
            np.testing.assert_array_equal(
                found[name].to_numpy().view(np.int32), expected[name].to_numpy().view(np.int32)
            )
        else:
            assert found[name].to_list() == expected[name].to_list(), name


@pytest.fixture(scope="module")
def census(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("census")
    write_raw(folder / "raw")
    out = folder / "out"
    out.mkdir()
    settings = {"seed": 0, "rare_below": 2, "rejected": folder / "rejected.jsonl"}
    preprocess(DATASET, folder / "raw", out, tasks=["income", "never-married"], **settings)
    return out


SHOP: dict[str, Any] = {
    "files": CustomFiles(
        PARTS, missing=("", "NA", "-999"), notation=Notation(thousands="'"), separator=";"
    ),
    "columns": CustomColumns(bags={"genres": "|"}, weight="weight", sparse=("user",)),
}


@pytest.fixture(scope="module")
def shop_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    for split, rows in parts_of(shop()).items():
        put_csv(folder / "raw", f"{split}.csv", rows, separator=";")
    return custom(folder / "raw", folder, **SHOP)


def test_rows_of_census_income_are_equal_in_every_bit(census: Path) -> None:
    fields = [line.split(",") for line in lines(600, 0)]  # with a blank before every value
    rows = pl.DataFrame(fields, schema=list(COLUMNS), orient="row")
    assert_equal_bits(open_encoder(census).encode(rows), stored(census, "train"))


@pytest.mark.parametrize("split", SPLITS)
def test_rows_of_custom_data_are_equal_in_every_bit(shop_data: Path, split: str) -> None:
    encoded = open_encoder(shop_data).encode(parts_of(shop())[split])
    assert_equal_bits(encoded, stored(shop_data, split))


def test_the_custom_columns_have_their_roles_and_kinds(shop_data: Path) -> None:
    columns = {each.name: (each.role, each.kind) for each in open_encoder(shop_data).columns}
    assert columns == {
        "user": ("sparse", "text"),
        "when": ("date", "text"),
        "price": ("dense", "number"),
        "views": ("dense", "number"),
        "zip": ("sparse", "text"),
        "device": ("sparse", "text"),
        "flag": ("sparse", "text"),
        "genres": ("bag", "text"),
    }


def test_a_date_has_its_features_in_the_order_of_the_schema(shop_data: Path) -> None:
    when = next(each for each in open_encoder(shop_data).columns if each.name == "when")
    schema = load_schema(shop_data / "schema.json")
    assert when.features == tuple(n for n in schema.dense_names if n.startswith("when:"))
    assert len(when.features) == 8


def typed(rows: int = 600) -> pl.DataFrame:
    """Rows of a typed table, as in a Parquet file."""
    draw = np.random.default_rng(1)
    start = pl.datetime(2024, 1, 1)
    return pl.DataFrame(
        {
            "key": draw.integers(2**62, 2**63 - 1, 40)[draw.integers(0, 40, rows)],
            "big": pl.Series([2**63 + n % 11 for n in range(rows)], dtype=pl.UInt64),
            "half": pl.Series([None if n % 9 == 1 else n % 7 for n in range(rows)], dtype=pl.Int8),
            "rate": pl.Series(draw.random(rows), dtype=pl.Float32),
            "amount": [float("nan") if n % 8 == 1 else n / 7 for n in range(rows)],
            "grade": pl.Series([n % 5 / 10 for n in range(rows)], dtype=pl.Float32),
            "paid": pl.Series([n % 3 == 0 for n in range(rows)]),
            "tags": [[f"t{n % 3}", " t9", ""] for n in range(rows)],
            "items": [[n % 4, 9] for n in range(rows)],
            "text": [(" blank", "plain", "", None)[n % 4] for n in range(rows)],
            "visited": draw.integers(0, 2, rows),
        }
    ).with_columns(
        at=start + pl.duration(minutes=pl.int_range(rows) * 97),
        day=(start + pl.duration(days=pl.int_range(rows) % 20)).dt.date(),
        clock=pl.time(pl.int_range(rows) % 24, 30),
    )


@pytest.fixture(scope="module")
def typed_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("typed")
    for split, rows in parts_of(typed()).items():
        put_parquet(folder / "raw", f"{split}.parquet", rows)
    columns = CustomColumns(
        bags={"tags": "|", "items": "|"},
        sparse=("key", "big", "half", "grade", "paid", "text", "day"),
    )
    return custom(folder / "raw", folder, columns=columns)


@pytest.mark.parametrize("data", ["shop_data", "typed_data"])
def test_large_vocabularies_give_the_same_ids(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, data: str
) -> None:
    processed = request.getfixturevalue(data)
    monkeypatch.setattr("emm.predict.encoder._LARGE", 1)
    rows = parts_of(shop() if data == "shop_data" else typed())
    found = open_encoder(processed).encode(rows["validation"])
    assert_equal_bits(found, stored(processed, "validation"))


@pytest.mark.parametrize("split", SPLITS)
def test_rows_of_a_typed_table_are_equal_in_every_bit(typed_data: Path, split: str) -> None:
    encoded = open_encoder(typed_data).encode(parts_of(typed())[split])
    assert_equal_bits(encoded, stored(typed_data, split))


def test_text_of_typed_columns_is_read_as_in_training(typed_data: Path) -> None:
    columns = ["key", "big", "half", "rate", "amount", "grade", "paid", "day", "at"]
    rows = parts_of(typed())["validation"]
    texts = rows.with_columns(pl.col(columns).cast(pl.String))
    encoded = open_encoder(typed_data).encode(texts)
    assert_equal_bits(encoded, stored(typed_data, "validation"))


def test_numbers_in_place_of_text_are_read_as_in_training(shop_data: Path) -> None:
    rows = parts_of(shop())["validation"]
    numbers = rows.with_columns(
        pl.col("user").cast(pl.Int64),
        pl.col("views").cast(pl.Float64),
        pl.col("price").str.replace("'", "").cast(pl.Float64, strict=False),
        pl.col("flag").str.to_lowercase() == "true",
    )
    with pytest.raises(AssertionError, match="flag"):  # training had the text "False"
        assert_equal_bits(open_encoder(shop_data).encode(numbers), stored(shop_data, "validation"))
    assert_equal_bits(
        open_encoder(shop_data).encode(numbers.with_columns(rows["flag"])),
        stored(shop_data, "validation"),
    )


def test_whole_numbers_for_codes_with_leading_zeros_are_refused(shop_data: Path) -> None:
    rows = shop()[:5].with_columns(pl.col("zip").cast(pl.Int64))
    with pytest.raises(DataError, match="'zip' has another type than in training"):
        open_encoder(shop_data).encode(rows)


@pytest.mark.parametrize(("data", "column"), [("shop_data", "user"), ("typed_data", "key")])
def test_keys_that_lost_digits_are_refused(
    request: pytest.FixtureRequest, data: str, column: str
) -> None:
    rows = (shop() if data == "shop_data" else typed())[:3]
    keys = rows[column].cast(pl.Int64).cast(pl.Float64)
    with pytest.raises(DataError, match=f"'{column}' holds whole numbers as fractions"):
        open_encoder(request.getfixturevalue(data)).encode(rows.with_columns(keys))


def test_whole_numbers_that_pandas_made_fractions_are_the_same_text(census: Path) -> None:
    rows = pl.DataFrame([line.split(",") for line in lines(9, 0)], list(COLUMNS), orient="row")
    stored_encoder, code = open_encoder(census), "industry_code"
    encoder = Encoder(
        stored_encoder.schema,
        stored_encoder.vocabularies.with_columns(
            value=pl.when(column=code).then(pl.col("id").cast(pl.String)).otherwise("value")
        ),
        stored_encoder.inputs,
    )
    codes = pl.Series(code, [1.0, None, 2.0, 9.0, float("nan"), 2.5, 0.0, 1.0, 2.0])
    assert encoder.encode(rows.with_columns(codes))[code].to_list() == [1, 0, 2, 0, 0, 0, 0, 1, 2]


def test_a_column_by_which_rows_are_ordered_is_cast_as_in_training(tmp_path: Path) -> None:
    rows = shop().with_columns(when=pl.format("2024-01-01T00:{}Z", pl.int_range(600) % 50 + 10))
    put_csv(tmp_path / "raw", "all.csv", rows.select("when", "views", "visited"))
    dataset = describe(
        tmp_path / "raw",
        columns=CustomColumns(sparse=("when",), dense=("views",)),
        split=ByTime("when", 0.2, 0.2),
    )
    out = preprocessed(dataset, tmp_path / "raw", tmp_path)
    ids = open_encoder(out).encode(rows)["when"]
    assert (
        ids.sort().to_list()
        == pl.concat([stored(out, split)["when"] for split in SPLITS]).sort().to_list()
    )
    assert ids.max() > 1


def test_a_missing_column_is_an_error_with_the_nearest_name(census: Path) -> None:
    rows = pl.DataFrame({name: ["1"] for name in COLUMNS}).rename({"race": "racce"})
    with pytest.raises(ParamsError, match="no column 'race'; did you mean 'racce'"):
        open_encoder(census).encode(rows)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("price", "12'34", "'price' isn't a number"),
        ("when", "yesterday", "'when' isn't a date or time"),
    ],
)
def test_a_value_that_training_rejects_is_an_error(
    shop_data: Path, column: str, value: str, reason: str
) -> None:
    rows = shop()[:3].with_columns(pl.Series(column, [shop()[column][0], value, value]))
    with pytest.raises(DataError, match=reason) as error:
        open_encoder(shop_data).encode(rows)
    assert "row 2" in str(error.value)


def test_the_reason_of_every_unusable_row_is_known(shop_data: Path) -> None:
    rows = shop()[:3].with_columns(price=pl.Series(["x", "1", "2"]), views=pl.lit("1yz"))
    reasons = open_encoder(shop_data).prepare(rows).reasons.to_list()
    assert reasons == [
        "the column 'price' isn't a number",
        "the column 'views' isn't a number",
        "the column 'views' isn't a number",
    ]


def test_data_that_was_processed_before_has_the_same_inputs(census: Path, tmp_path: Path) -> None:
    for name in ("schema.json", "vocabularies.parquet"):
        (tmp_path / name).write_bytes((census / name).read_bytes())
    (tmp_path / "raw").mkdir()
    kinds = (census / "raw" / "columns.json").read_bytes()
    (tmp_path / "raw" / "columns.json").write_bytes(kinds)
    assert open_encoder(tmp_path).inputs.columns == open_encoder(census).inputs.columns


def test_custom_data_without_its_inputs_is_an_error(shop_data: Path, tmp_path: Path) -> None:
    for name in ("schema.json", "vocabularies.parquet"):
        (tmp_path / name).write_bytes((shop_data / name).read_bytes())
    with pytest.raises(DataError, match="how new rows are read"):
        open_encoder(tmp_path)


def test_other_vocabularies_than_those_of_the_schema_are_an_error(
    census: Path, tmp_path: Path
) -> None:
    (tmp_path / "schema.json").write_bytes((census / "schema.json").read_bytes())
    vocabularies = pl.read_parquet(census / "vocabularies.parquet")
    vocabularies.with_columns(id=pl.col("id") + 1).write_parquet(tmp_path / "vocabularies.parquet")
    with pytest.raises(DataError, match="isn't the file that"):
        open_encoder(tmp_path)


def test_inputs_that_make_other_features_are_an_error(shop_data: Path) -> None:
    encoder = open_encoder(shop_data)
    with pytest.raises(DataError, match="aren't those of the raw columns"):
        Encoder(encoder.schema, encoder.vocabularies, Inputs(encoder.inputs.columns[1:]))


def test_the_inputs_are_small_and_readable(shop_data: Path) -> None:
    tree = json.loads((shop_data / "raw" / "inputs.json").read_text())
    assert {"name": "genres", "role": "bag", "separator": "|"} in tree["columns"]
    assert tree["text"]["thousands"] == "'"


@pytest.mark.parametrize("data", ["shop_data", "typed_data"])
def test_columns_without_any_value_are_missing(request: pytest.FixtureRequest, data: str) -> None:
    encoder = open_encoder(request.getfixturevalue(data))
    encoded = encoder.encode(pl.DataFrame({each.name: [None, None] for each in encoder.columns}))
    schema = encoder.schema
    assert encoded.select(schema.sparse_names).to_numpy().tolist() == [[0] * len(schema.sparse)] * 2
    for column in schema.dense:
        expected = np.float32(column.scaled(column.mean))
        assert encoded[column.name].to_list() == [expected, expected]
    for bag in encoder.bags:
        assert encoded[bag].to_list() == [[], []]


def test_no_rows_are_encoded_as_no_rows(shop_data: Path) -> None:
    encoder = open_encoder(shop_data)
    assert encoder.encode(shop()[:0]).schema == encoder.encode(shop()[:2]).schema
