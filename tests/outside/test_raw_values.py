from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest

from emm.core.errors import DataError
from emm.outside.raw_values import Categories, Codes, Known, Numbers, as_numbers


@pytest.mark.parametrize(
    ("categories", "values", "ids"),
    [
        (["a", "b"], ["b", "a", "c", None, "B"], [1, 0, 3, 3, 3]),
        ([3, 7], [7, 3, 4, None], [1, 0, 3, 3]),
        ([3, 7], ["7", "03", "x", None], [1, 0, 3, 3]),
        (["3", "?"], [3, 4, None], [0, 3, 3]),
        ([0.5, 1.5], [1.5, 0.5, float("nan")], [1, 0, 3]),
        ([2**53, 2**53 + 1], [2**53 + 1, 2**53], [1, 0]),
    ],
    ids=["text", "numbers", "numbers as text", "text as numbers", "fractions", "large"],
)
def test_categories_are_found_by_their_value(
    categories: Sequence[object], values: Sequence[object], ids: Sequence[int]
) -> None:
    found = Categories("x", categories, Known()).ids(pl.Series("x", values, strict=False))
    assert found.tolist() == list(ids)


def test_text_categories_of_one_number_are_refused_for_numbers() -> None:
    with pytest.raises(DataError, match="two are the same number"):
        Categories("x", ["1", "01"], Known()).ids(pl.Series([1, 2]))


def test_a_column_without_any_category_shows_some_values() -> None:
    known = Known()
    Categories("x", ["a"], known).ids(pl.Series(["b", None, "c", "b"]))
    with pytest.raises(DataError, match="got: 'b', 'c'"):
        known.check("m.txt")


def test_a_column_of_missing_values_only_is_no_fault() -> None:
    known = Known()
    Categories("x", ["a"], known).ids(pl.Series([None, None], dtype=pl.String))
    known.check("m.txt")


@pytest.mark.parametrize(
    ("negative_is_code", "ids"),
    [(True, [0, 1, 1, 0, 3, 3, 4]), (False, [0, 1, 1, 3, 3, 3, 4])],
    ids=["LightGBM", "XGBoost"],
)
def test_codes_are_integer_parts(negative_is_code: bool, ids: Sequence[int]) -> None:
    values = pl.Series([0.0, 1.0, 1.9, -0.5, -1.0, 1e12, None])
    assert Codes("x", 3, negative_is_code).ids(values).tolist() == list(ids)


def test_numbers_are_rounded_as_the_library_does() -> None:
    values = pl.Series([0.1, 1e-36, None, 1e300])
    single = Numbers("x", single=True, zero=0.0).values(values)
    np.testing.assert_array_equal(single[[0, 3]], [float(np.float32(0.1)), np.inf])
    double = Numbers("x", single=False, zero=1e-35).values(values)
    np.testing.assert_array_equal(double, [0.1, 0.0, np.nan, 1e300])


def test_text_is_read_as_numbers() -> None:
    found = as_numbers("x", pl.Series(["1", " 2.5 ", "", None]))
    np.testing.assert_array_equal(found, [1, 2.5, np.nan, np.nan])


def test_text_that_is_no_number_is_refused() -> None:
    with pytest.raises(DataError, match=r"got: '\?'"):
        as_numbers("x", pl.Series(["1", "?"]))
