"""Golden rows: drawn from vocabularies and quantiles, with everything that a client may send."""

from pathlib import Path

import polars as pl
import pytest

from emm.data.tables.schema import load_schema
from emm.export.golden import GOLDEN_ROWS, golden_rows
from emm.export.row import Row
from emm.predict.encoder import Encoder, open_encoder


@pytest.fixture(scope="module")
def encoder(row: Row) -> Encoder:
    return open_encoder(row.processed)


@pytest.fixture(scope="module")
def golden(encoder: Encoder) -> pl.DataFrame:
    return golden_rows(encoder)


def test_they_are_the_same_each_time(encoder: Encoder, golden: pl.DataFrame) -> None:
    assert golden.equals(golden_rows(encoder))
    assert len(golden) == GOLDEN_ROWS


def test_the_encoder_can_use_all_of_them(encoder: Encoder, golden: pl.DataFrame) -> None:
    assert encoder.prepare(golden).reasons.null_count() == len(golden)


def test_every_column_has_known_unseen_and_missing_values(
    encoder: Encoder, golden: pl.DataFrame
) -> None:
    assert not [name for name, count in golden.null_count().row(0, named=True).items() if not count]
    known = encoder.vocabularies.group_by("column").agg("value")
    for column, values in known.iter_rows():
        own = golden[column].explode() if golden[column].dtype == pl.List else golden[column]
        texts = own.drop_nulls().str.strip_chars()
        assert texts.is_in(values).any(), column
        assert texts.str.contains("unseen").any(), column


def test_ids_of_all_values_occur_in_small_vocabularies(
    encoder: Encoder, golden: pl.DataFrame
) -> None:
    ids = encoder.encode(golden)
    small = [column for column in encoder.schema.sparse if column.cardinality < 50]
    assert len(small) == 3
    for column in small:
        assert ids[column.name].n_unique() == column.cardinality, column.name


def test_numbers_lie_within_beyond_and_between_those_of_train(
    row: Row, golden: pl.DataFrame
) -> None:
    dense = {each.name: each for each in load_schema(row.processed / "schema.json").dense}
    price = dense["price"]
    values = golden["price"].drop_nulls()
    assert values.is_in(price.quantiles).any()
    assert not values.is_in([*price.quantiles, price.minimum, price.maximum]).all()
    assert values.min() < price.minimum  # type: ignore[operator]
    assert values.max() > price.maximum  # type: ignore[operator]


def test_text_has_blanks_and_missing_words_as_in_files(golden: pl.DataFrame) -> None:
    texts = golden["zip code"].drop_nulls()
    assert (texts != texts.str.strip_chars()).any()
    assert (texts == "NA").any()


def test_dates_are_text_in_iso_form_and_bags_lists(golden: pl.DataFrame) -> None:
    assert golden["when"].drop_nulls().str.contains(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$").all()
    sizes = golden["genres"].list.len().unique()
    assert {0, 1, 2} <= {*sizes}


def test_one_value_of_a_row_is_missing_or_unseen_where_the_others_are_usual(
    encoder: Encoder, golden: pl.DataFrame
) -> None:
    singles = encoder.encode(golden)[5 : 5 + 2 * len(golden.columns)]
    zeros = singles.select(pl.col(c.name) == 0 for c in encoder.schema.sparse).sum_horizontal()
    assert zeros.max() == 1
    assert zeros.sum() == 2 * len(encoder.schema.sparse)


def test_columns_of_outside_members_have_values_of_their_kind(encoder: Encoder) -> None:
    rows = golden_rows(encoder, 50, {"weight": "number", "note": "text", "price": "number"})
    assert rows.columns[-2:] == ["weight", "note"]
    assert rows.schema["weight"] == pl.Float64
    assert rows.schema["note"] == pl.String


def test_typed_files_have_golden_values_of_their_types(tmp_path: Path) -> None:
    from emm.data.custom.roles import CustomColumns
    from tests.data.custom.custom_files import describe, preprocessed, put_parquet
    from tests.export.typed import typed_table

    raw = put_parquet(tmp_path / "raw", "rows.parquet", typed_table())
    columns = CustomColumns(sparse=("code", "big", "ratio", "day", "flag"))
    encoder = open_encoder(preprocessed(describe(raw, columns=columns), raw, tmp_path))
    rows = golden_rows(encoder)
    expected = typed_table().drop("visited").schema
    assert {name: rows.schema[name] for name in ("code", "big", "flag", "day", "moment")} == {
        name: expected[name] for name in ("code", "big", "flag", "day", "moment")
    }
    assert encoder.prepare(rows).reasons.null_count() == len(rows)
