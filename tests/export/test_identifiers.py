"""Columns whose values may identify people."""

from dataclasses import replace

import polars as pl
import pytest

from emm.data.tables.schema import BagColumn, SparseColumn
from emm.export.identifiers import identifying_columns, identifying_members
from tests.training.tiny import SCHEMA


def found(name: str, cardinality: int, values: list[str] | None = None) -> dict[str, str]:
    schema = replace(SCHEMA, sparse=(SparseColumn(name, cardinality, 0, False),))
    known = values or ["a", "b"]
    vocabulary = pl.DataFrame({"column": [name] * len(known), "value": known})
    return identifying_columns(schema, vocabulary)


@pytest.mark.parametrize(
    "name",
    ["user_id", "userId", "CustomerID", "visitor id", "email", "ip_address", "member-id", "uid"],
)
def test_columns_that_name_people_are_found(name: str) -> None:
    assert found(name, 500) == {name: "499 values: its name speaks of people"}


@pytest.mark.parametrize(
    "name", ["item_id", "country", "family_members_under_18", "user_active_degree", "video"]
)
def test_columns_that_group_rows_are_not(name: str) -> None:
    assert found(name, 500) == {}


def test_few_values_name_nobody() -> None:
    assert found("user_id", 20) == {}
    assert found("email", 3) == {}


def test_a_column_about_people_with_many_values_names_them() -> None:
    assert set(found("customer", 5000)) == {"customer"}


def test_the_key_of_the_split_may_name_people() -> None:
    schema = replace(SCHEMA, key="id")
    none = pl.DataFrame(schema={"column": pl.String, "value": pl.String})
    assert set(identifying_columns(schema, none)) == {"id"}


def test_values_that_look_like_addresses_are_found() -> None:
    values = ["ann@example.org", "bo@example.org", "?"]
    assert "e-mail addresses" in found("contact", 4, values)["contact"]
    assert "telephone numbers" in found("contact", 4, ["+49 30 1234567"])["contact"]


def test_multi_valued_columns_count_too() -> None:
    schema = replace(SCHEMA, sparse=(), bags=(BagColumn("user_ids", 900, 0, 5000),))
    none = pl.DataFrame(schema={"column": pl.String, "value": pl.String})
    assert set(identifying_columns(schema, none)) == {"user_ids"}


def test_columns_of_members_are_judged_by_their_names() -> None:
    assert [*identifying_members(["user_id", "job", "email", "user"])] == ["user_id", "email"]
