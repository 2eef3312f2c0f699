from typing import Any

import polars as pl
import pytest

from emm.core.errors import DataError
from emm.data.tables.kinds import RawKind
from emm.outside.scorer import ModelInput
from emm.outside.typed import model_rows


def typed(values: list[Any], kind: RawKind | None, text: str = "c") -> pl.Series:
    rows = pl.DataFrame({"c": values})
    return model_rows(rows, [ModelInput("x", kind)], {"x": text}).to_series()


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (["a", None], "text", ["a", None]),
        ([1, None], "text", ["1", None]),
        ([1, None], "number", [1.0, None]),
        ([True, False], "number", [1.0, 0.0]),
        ([1.5, float("nan")], "number", [1.5, None]),
        (["1.5", " 2", None], "number", [1.5, 2.0, None]),
        (["07", "8.0", None], "integer", [7, 8, None]),
        ([3.0, None], "integer", [3, None]),
        ([2**60 + 1, None], "integer", [2**60 + 1, None]),
        (["a", None], None, ["a", None]),
        ([1, None], None, [1, None]),
        ([1.5, None], None, [1.5, None]),
        ([True, None], None, [1.0, None]),
    ],
)
def test_columns_in_the_kind_of_an_input(
    values: list[Any], kind: RawKind | None, expected: list[Any]
) -> None:
    assert typed(values, kind).to_list() == expected


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        (["1", "high", "low"], "number", r"reads a number(.|\n)*got: c: 'high', 'low'"),
        ([1.5, 2.0], "integer", r"reads a whole number(.|\n)*got: c: 1\.5"),
        ([1e300], "integer", "reads a whole number"),
        ([1.5], "text", r"reads text, and its column holds fractions(.|\n)*AS BIGINT"),
    ],
)
def test_no_value_becomes_a_missing_one(values: list[Any], kind: RawKind, message: str) -> None:
    with pytest.raises(DataError, match=message):
        typed(values, kind)


def test_inputs_are_in_the_order_of_the_model() -> None:
    rows = pl.DataFrame({"a": [1.0], "b": ["t"]})
    inputs = [ModelInput("y", "text"), ModelInput("x", "number")]
    found = model_rows(rows, inputs, {"x": "a * 2", "y": "UPPER(b)"})
    assert found.rows(named=True) == [{"y": "T", "x": 2.0}]
    assert found.columns == ["y", "x"]
