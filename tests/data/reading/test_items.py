import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.line_parser import parsed
from emm.data.reading.items import FAULT, Fields, parse_lists

NAMES = ("101", "109_14", "508")
FIELDS = Fields(NAMES, valued=("109_14", "508"))


def listed(*items: tuple[str, object, object]) -> str:
    return "\x01".join(f"{field}\x02{feature}\x03{value}" for field, feature, value in items)


def parse(*lists: str | None, stated: list[str] | None = None, fields: Fields = FIELDS):
    counts = stated or [str(text.count("\x01") + 1) if text else "0" for text in lists]
    return parse_lists(pl.Series(lists, dtype=pl.String), pl.Series(counts), fields)


GOOD = listed(("101", 5, 1.0), ("508", 7, 0.5))

items = st.tuples(
    st.sampled_from(NAMES),
    st.integers(0, 2**32 - 1),
    st.one_of(
        st.sampled_from([0.0, -0.0, 1.0, 0.69315]),
        st.floats(width=32, allow_nan=False, allow_infinity=False),
    ),
)


@given(st.lists(st.lists(items, min_size=1, max_size=8), min_size=1, max_size=6))
@settings(deadline=None)
def test_lists_are_parsed_like_by_a_loop_over_their_items(lists) -> None:
    found = parse(*(listed(*each) for each in lists))
    assert found[FAULT].null_count() == len(lists)
    for row, each in zip(found.iter_rows(named=True), lists, strict=True):
        expected = parsed(listed(*each))
        for name in NAMES:
            assert row[name] == (int(expected[name][0]) if name in expected else None)
        for name in FIELDS.valued:
            value = expected[name][1] if name in expected else 0.0
            assert row[f"D{name}"] == pytest.approx(value, rel=1e-6, abs=1e-37)


def test_the_item_with_the_largest_value_of_a_field_counts() -> None:
    few = [("508", 1, -2.0), ("508", 2, 3.5), ("101", 9, 1.0), ("508", 3, 3.25)]
    found = parse(listed(*few), listed(*reversed(few)))
    assert found["508"].to_list() == [2, 2]
    assert found["D508"].to_list() == [3.5, 3.5]


def test_the_first_of_items_with_equal_values_counts() -> None:
    assert parse(listed(("508", 4, 1.0), ("508", 3, 1.0), ("508", 5, 1.0)))["508"].item() == 4


def test_a_missing_field_is_null_and_its_value_0() -> None:
    found = parse(listed(("101", 5, 1.0)))
    assert found["508"].item() is None
    assert found["D508"].item() == 0.0


def test_a_bag_holds_all_ids_in_the_lists_order() -> None:
    fields = Fields(NAMES, bags=("109_14",))
    text = listed(("109_14", 3, 1.0), ("101", 9, 1.0), ("109_14", 1, 2.0), ("109_14", 3, 1.0))
    found = parse(GOOD, text, fields=fields)
    assert found["bag:109_14"].to_list() == [None, [3, 1, 3]]
    assert found.schema["bag:109_14"] == pl.List(pl.UInt32)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (GOOD.replace("\x02", "", 1), "isn't made of"),
        (GOOD.replace("\x03", "", 1), "isn't made of"),
        ("101\x035\x021.0", "isn't made of"),
        (GOOD.replace("\x01", ""), "isn't made of"),
        (GOOD + "\x01", "isn't made of"),
        ("", "isn't made of"),
        (None, "isn't made of"),
        ("101 5 1.0", "isn't made of"),
        (listed(("102", 5, 1.0)), "unknown field"),
        (listed(("", 5, 1.0)), "unknown field"),
        (listed(("101", "x", 1.0)), "isn't a whole number"),
        (listed(("101", "", 1.0)), "isn't a whole number"),
        (listed(("101", 2**32, 1.0)), "isn't a whole number"),
        (listed(("101", -1, 1.0)), "isn't a whole number"),
        (listed(("101", 1.5, 1.0)), "isn't a whole number"),
        (listed(("101", 5, "x")), "isn't a finite number"),
        (listed(("101", 5, "")), "isn't a finite number"),
        (listed(("101", 5, "nan")), "isn't a finite number"),
        (listed(("101", 5, "1e99")), "isn't a finite number"),
    ],
)
def test_a_malformed_list_is_reported_and_the_others_are_parsed(text, reason) -> None:
    found = parse(GOOD, text, GOOD)
    others, fault = found[FAULT].to_list()[::2], found[FAULT].to_list()[1]
    assert others == [None, None]
    assert reason in fault
    assert found["101"].to_list() == [5, None, 5]
    assert found["508"].to_list() == [7, None, 7]


def test_wrong_item_counts_are_reported_even_if_their_sum_is_right() -> None:
    found = parse(GOOD, listed(("101", 5, 1.0)), GOOD, stated=["1", "2", "2"])
    assert found[FAULT].to_list() == [
        "feature_num is 1, the list has 2 items",
        "feature_num is 2, the list has 1 items",
        None,
    ]


@pytest.mark.parametrize("stated", [None, "", "x", "2.5", "-2"])
def test_an_item_count_that_is_not_a_number_is_reported(stated: str | None) -> None:
    assert "feature_num is" in parse(GOOD, GOOD, stated=[stated, "2"])[FAULT][0]


def test_the_columns_are_the_same_without_lists_and_without_good_lists() -> None:
    fields = Fields(NAMES, valued=("508",), bags=("109_14",))
    none, bad = parse(fields=fields), parse("x", fields=fields)
    assert len(none) == 0
    assert len(bad) == 1
    assert none.schema == bad.schema == parse(GOOD, fields=fields).schema
