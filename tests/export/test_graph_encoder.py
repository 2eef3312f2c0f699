"""The encoder in ONNX against the Parquet files that preprocessing writes for the same rows."""

from pathlib import Path

import onnx
import polars as pl
import pytest

from emm.data.datasets.census_income import COLUMNS
from emm.data.tables.schema import SPLITS
from emm.export.columns import ENCODED_DENSE, ENCODED_SPARSE
from emm.predict.encoder import open_encoder
from tests.census import lines
from tests.export.encoders import GraphEncoder
from tests.predict.test_encoder import (
    assert_equal_bits,
    census,
    parts_of,
    shop,
    shop_data,
    stored,
    typed,
    typed_data,
)

__all__ = ["census", "shop_data", "typed_data"]


@pytest.fixture(scope="module")
def of_census(census: Path) -> GraphEncoder:
    return GraphEncoder(open_encoder(census), census)


@pytest.fixture(scope="module")
def of_shop(shop_data: Path) -> GraphEncoder:
    return GraphEncoder(open_encoder(shop_data), shop_data)


@pytest.fixture(scope="module")
def of_table(typed_data: Path) -> GraphEncoder:
    return GraphEncoder(open_encoder(typed_data), typed_data)


def census_rows(rows: int) -> pl.DataFrame:
    """Rows as they are in the raw file, with a blank before every value."""
    fields = [line.split(",") for line in lines(rows, 0)]
    return pl.DataFrame(fields, schema=list(COLUMNS), orient="row")


def shop_rows(split: str) -> pl.DataFrame:
    """Rows of `shop` as a client sends them: numbers as numbers, lists as lists."""
    rows = parts_of(shop())[split]
    price = pl.col("price").str.replace("'", "").cast(pl.Float64, strict=False)
    return rows.with_columns(
        price, pl.col("views").cast(pl.Float64), pl.col("genres").str.split("|")
    )


def test_rows_of_census_income_are_equal_in_every_bit(
    of_census: GraphEncoder, census: Path
) -> None:
    assert_equal_bits(of_census.encode(census_rows(600)), stored(census, "train"))


def test_a_single_row_is_the_same_as_among_others(of_census: GraphEncoder, census: Path) -> None:
    row = of_census.encode(census_rows(600)[599:])
    assert_equal_bits(row, stored(census, "train")[599:])


@pytest.mark.parametrize("split", SPLITS)
def test_rows_of_custom_data_are_equal_in_every_bit(
    of_shop: GraphEncoder, shop_data: Path, split: str
) -> None:
    assert_equal_bits(of_shop.encode(shop_rows(split)), stored(shop_data, split))


@pytest.mark.parametrize("split", SPLITS)
def test_rows_of_a_typed_table_are_equal_in_every_bit(
    of_table: GraphEncoder, typed_data: Path, split: str
) -> None:
    rows = parts_of(typed())[split]
    assert_equal_bits(of_table.encode(rows), stored(typed_data, split))


def test_missing_and_unseen_text_is_unknown(of_census: GraphEncoder) -> None:
    rows = census_rows(3).with_columns(race=pl.Series([None, "  ", "Martian"]))
    assert of_census.encode(rows)["race"].to_list() == [0, 0, 0]


@pytest.mark.parametrize("blank", ["\t", "\u00a0", "\u3000", "\u2028", "\n", "\x85"])
def test_blanks_around_text_are_those_that_polars_strips(
    of_census: GraphEncoder, blank: str
) -> None:
    rows = census_rows(50)
    padded = rows.with_columns(pl.format("{}{}{}", pl.lit(blank), "race", pl.lit(blank)))
    assert_equal_bits(of_census.encode(padded), of_census.encode(rows))


def test_a_missing_number_is_the_mean_of_train(of_census: GraphEncoder, census: Path) -> None:
    rows = census_rows(3).with_columns(age=pl.Series([None, float("nan"), float("inf")]))
    found = of_census.encode(rows)
    expected = open_encoder(census).encode(rows[:1])["age"].item()
    assert found["age"].to_list() == [expected] * 3


@pytest.mark.parametrize(
    "text",
    [
        *("2024-02-29", "2023-02-29", "2024-13-01", "2024-00-10", "2024-04-31", "1900-02-29"),
        *("2024-05-01T23:59:59Z", "2000-02-29 00:00", "2024-05-01 05:06+02:00", "0000-03-01"),
        *("1969-12-31 23:00:59,5", "9999-12-31", "2024-05-01 24:00", " 2024-05-01 ", "n/a", ""),
        "yesterday",
    ],
)
def test_dates_are_read_as_polars_reads_them(
    of_shop: GraphEncoder, shop_data: Path, text: str
) -> None:
    rows = shop_rows("test")[:2].with_columns(when=pl.Series([text, "2024-01-01"]))
    prepared = open_encoder(shop_data).prepare(shop()[:2].with_columns(rows["when"]))
    expected = open_encoder(shop_data).encode_prepared(prepared.rows)
    names = [name for name in expected.columns if name.startswith("when:")]
    assert_equal_bits(of_shop.encode(rows).select(names), expected.select(names))


def test_the_onnx_package_knows_the_shapes_of_a_model(of_shop: GraphEncoder) -> None:
    model = onnx.load(of_shop.path)
    onnx.checker.check_model(model)
    outputs = {each.name for each in model.graph.output}
    known = onnx.shape_inference.infer_shapes(model).graph.value_info
    assert {ENCODED_DENSE, ENCODED_SPARSE} <= {each.name for each in known} | outputs
