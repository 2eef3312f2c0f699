"""What columns are taken as, and what is asked about."""

from datetime import date, time, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emm.data.custom.inference import (
    MAX_CATEGORIES,
    ROWS_WITH_NAMES,
    Inferred,
    has_ids,
    infer,
    word_faults,
)
from emm.data.custom.numbers import MISSING_WORDS, Notation


def inferred(values: list[object]) -> Inferred:
    return infer(pl.Series("a", values, strict=False))


MANY = [f"{number}.5" for number in range(500)]
ROLES: dict[str, tuple[list[object], str | None]] = {
    "fractions": (["0.5", "1"], "dense"),
    "a few whole numbers": (["1", "2", None, "-3"], "sparse"),
    "as many as a category may have": ([*map(str, range(MAX_CATEGORIES))], "sparse"),
    "one more": ([*map(str, range(MAX_CATEGORIES + 1))], "dense"),
    "whole numbers as pandas writes them": (["1.0", "2.0"], "sparse"),
    "codes": ([f"0{number % 900:04}" for number in range(1000)], "sparse"),
    "numbers and a code": ([*MANY, "007", "007"], "sparse"),
    "names of few rows": ([f"A{number}" for number in range(ROWS_WITH_NAMES - 1)], "sparse"),
    "text": (["a", "1"], "sparse"),
    "text and fractions": (["a", "1.5", "b"], "sparse"),
    "infinity": (["inf", "1.5"], "dense"),
    "nothing": ([None, None], "sparse"),
    "booleans": ([True, False], "sparse"),
    "typed fractions": ([0.5, 1.0], "dense"),
    "typed infinity": ([0.5, float("inf")], "dense"),
    "typed whole numbers": ([*range(1000)], "dense"),
    "small decimals": (["0.01", "0.02"], "dense"),
    "dates": ([date(2024, 5, 31)], "dates"),
    "times": ([time(17, 5)], "dates"),
    "text with dates": (["2024-05-31", "2024-06-01 17:05", None, "n/a"], "dates"),
    "numbers and their years": (["2024", "2024-05-31", "2023"], "sparse"),
    "lists": ([["a"], ["b"]], None),
    "bytes": ([b"a", b"b"], None),
    "structs": ([{"x": 1}], None),
    "durations": ([timedelta(1)], None),
}


@pytest.mark.parametrize(("values", "role"), ROLES.values(), ids=ROLES)
def test_the_role_of_a_column_is_inferred_from_its_values(
    values: list[object], role: str | None
) -> None:
    found = inferred(values)
    assert (found.role, found.words, found.hint) == (role, None, None)


def test_the_words_of_a_whole_number_column_with_few_values_stay_categories() -> None:
    assert inferred(["1", "2", "?", "none"]) == Inferred("sparse")


@pytest.mark.parametrize("dtype", [pl.Int64, pl.String])
def test_whole_numbers_that_the_name_calls_ids_are_sparse(dtype: type[pl.DataType]) -> None:
    ids = pl.Series("user_id", [*range(1000), 7]).cast(dtype)
    assert infer(ids) == Inferred("sparse", "ids by its name")
    assert infer(ids.rename("visits")).role == "dense"


@pytest.mark.parametrize(
    "names",
    [
        pl.Series("id", range(1000)),
        pl.Series("code", [f"0{number:03}" for number in range(ROWS_WITH_NAMES)]),
        pl.Series("comment", [*(f"No. {number}" for number in range(1000)), None, None]),
        pl.Series("user", [*map(str, range(1000))]).cast(pl.Categorical),
    ],
    ids=["ids", "codes", "text", "categorical"],
)
def test_many_categories_that_all_differ_name_the_rows_and_are_no_feature(names: pl.Series) -> None:
    assert infer(names) == Inferred(None, "names each row")


def test_numbers_that_all_differ_are_numbers() -> None:
    assert infer(pl.Series("price", range(1000))).role == "dense"


@pytest.mark.parametrize(
    "name", ["id", "user_id", "itemId", "ITEM_ID", "shop id", "adID", "ZIP", "user"]
)
def test_names_of_ids(name: str) -> None:
    assert has_ids(name)


@pytest.mark.parametrize(
    "name", ["paid", "grid", "users", "idle", "", "user_id_count", "views_per_user"]
)
def test_other_names(name: str) -> None:
    assert not has_ids(name)


@given(st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=300))
def test_whole_numbers_are_dense_if_many_differ(values: list[int]) -> None:
    expected = "dense" if len(set(values)) > MAX_CATEGORIES else "sparse"
    assert inferred([str(value) for value in values]).role == expected


@pytest.mark.parametrize("word", [*MISSING_WORDS, "NaN", "N/A", "None", "#N/A", "NULL", "Inf"])
def test_a_word_for_a_missing_value_leaves_numbers_dense(word: str) -> None:
    found = inferred([*MANY, word])
    assert (found.role, found.words) == ("dense", None)
    assert found.note == f"missing: {word}"


def test_few_other_words_among_numbers_are_counted() -> None:
    found = inferred([*MANY, "tbd", "?", "unknown", "tbd"])
    assert found == Inferred("dense", "missing: ?", {"tbd": 2, "unknown": 1})


def test_a_date_among_numbers_is_one_of_the_words() -> None:
    assert inferred([*MANY, "2024-05-31"]) == Inferred("dense", "", {"2024-05-31": 1})


def test_few_other_words_among_dates_are_counted() -> None:
    days = [f"2024-05-{day:02}" for day in range(1, 31)]
    assert inferred([*days, "tbd"]).words == {"tbd": 1}
    assert inferred(["2024-05-31", "May 31st", "June 1st"]) == Inferred("sparse")


@pytest.mark.parametrize("others", [600, 60])
def test_many_words_make_a_category(others: int) -> None:
    texts = [f"A{number}" for number in range(others)]
    assert inferred([*MANY, *texts, "A0"]) == Inferred("sparse")


@given(st.lists(st.sampled_from(["x", "y"]), max_size=100))
def test_numbers_with_few_words_never_become_a_category_silently(words: list[str]) -> None:
    found = inferred([*MANY, *words])
    assert found.role == "dense"
    assert (found.words or {}) == {word: words.count(word) for word in words}


def test_all_columns_with_other_words_are_one_fault_with_the_lines_to_write() -> None:
    columns = {
        "price": Inferred("dense", "", {"tbd": 2, "no": 1}),
        "age": Inferred("dense", "", {"old": 1}),
        "user": Inferred("sparse"),
    }
    assert word_faults("custom", columns, ["", "NA"], ["shop"]) == [
        "custom: few values of some columns are neither numbers nor dates: 'price' (dense): 'tbd' "
        "2 times, 'no' once; 'age' (dense): 'old' once; where they mean a missing value, write "
        "missing: ['', NA, tbd, 'no', old]; where a column is a category, write sparse: [shop, "
        "price, age]"
    ]


@pytest.mark.parametrize(
    ("texts", "hint"),
    [
        (["1,5", "2,75", "-3"], 'decimal: ","'),
        (["1,500", "2,750.5"], 'thousands: ","'),
        (["1,500", "2,750"], 'thousands: "," or decimal: ","'),
        (["1.234,5", "7,25"], 'decimal: "," and thousands: "."'),
        (["1,2,3", "4,5"], None),
        (["1", "2", "3", "1,2"], None),
        (["a,b", "1,5"], None),
    ],
)
def test_numbers_in_another_notation_are_not_a_category(texts: list[str], hint: str | None) -> None:
    found = inferred(texts)
    assert found.hint == hint
    faults = word_faults("custom", {"a": found}, [], [])
    assert bool(faults) == bool(hint)
    assert all(
        f"write {hint}, otherwise name the column in sparse or bags" in fault for fault in faults
    )


@pytest.mark.parametrize(
    ("notation", "texts", "plain"),
    [
        (
            Notation(",", "."),
            ["1.234,5", "-7,25", "12", "1.5", "1.234", "x", "", None, "1,2,3", "1e3", ",5"],
            ["1234.5", "-7.25", "12", "'1.5'", "1234", "x", "", None, "1,2,3", "1e3", ".5"],
        ),
        (Notation(".", ","), ["1,234.5", "1,23", "12,345,678"], ["1234.5", "1,23", "12345678"]),
        (Notation(".", " "), ["1 234", "1234"], ["1234", "1234"]),
        (Notation(","), ["1,5", "1.5"], ["1.5", "'1.5'"]),
    ],
)
def test_numbers_in_a_notation_become_plain_and_others_never_numbers(
    notation: Notation, texts: list[str | None], plain: list[str | None]
) -> None:
    column = pl.DataFrame({"a": texts})
    assert column.select(notation.plain(pl.col("a")))["a"].to_list() == plain


@given(st.floats(-1e12, 1e12, allow_nan=False))
def test_a_written_number_is_read_again(number: float) -> None:
    written = f"{number:,.3f}".replace(",", "_").replace(".", ",").replace("_", ".")
    rows = pl.DataFrame({"a": [written]}).select(Notation(",", ".").plain(pl.col("a")))
    assert float(rows["a"][0]) == float(f"{number:.3f}")
